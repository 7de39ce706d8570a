"""The main job on an embedded default: synthetic speech, tiny random encoders, all stages."""

import shlex
from pathlib import Path

from tokser.pipeline import load_pipeline
from tokser.provenance import write_atomically
from tokser.shipped import shipped_file
from tokser.stages.run import PipelineResult, run_pipeline
from tokser.testing import build_demo_encoders, write_demo_corpora

__all__ = ["CAUTION", "demo", "next_commands"]

CAUTION = (
    "These scores mean nothing: the speech is synthetic and the encoders are random. "
    "They show that everything runs; name real encoders and corpora to get real scores."
)


def demo(out: Path) -> PipelineResult:
    """Synthesise three corpora, build tiny encoders, and run `pipelines/demo.yaml` on them.

    Args:
        out: Folder of everything; done parts in it are kept and skipped.

    Returns:
        What the pipeline left; `results.csv` and `report.html` lie at the top of `out`.

    Raises:
        SettingsError: The folder holds other things.
    """
    from tokser.report.merge import merge_results

    write_demo_corpora(out)
    build_demo_encoders(out)
    path = shipped_file("pipelines", "demo.yaml")
    pipeline = load_pipeline(path, [f"workspace={out}", f"caution={CAUTION!r}"])
    result = run_pipeline(pipeline)
    scores = merge_results(result.results)
    write_atomically(out / "results.csv", scores.to_csv(index=False).encode())
    return result


def next_commands(out: Path, program: str) -> list[tuple[str, str]]:
    """Return what to try on a finished demo: what each does, and the command, ready for a shell.

    Args:
        out: Folder of the demo.
        program: What calls tokser in that shell.
    """
    store = out / "stores" / "emodb.zarr"
    features = "tiny-wavlm/layer-1, tiny-wavlm/layer-1 + tiny-bert/contextual"
    commands = {
        "look into the store": ["store", "info", store],
        "score features of your choice, fused too": [
            *("classify", "--dataset", "emodb", "--store", store),
            *("--features", features, "--head", "logreg", "--out", out / "results" / "mine"),
        ],
        "write the tables out for a paper": [
            *("report", out / "results" / "emodb", "--format", "latex", "--out", out / "tables"),
        ],
    }
    return [(what, f"{program} {shlex.join(map(str, words))}") for what, words in commands.items()]
