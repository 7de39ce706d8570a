"""The main job on an embedded default: synthetic speech, tiny random encoders, all stages."""

from pathlib import Path

from tokser.corpora.registry import scan_corpus
from tokser.errors import SettingsError
from tokser.pipeline import load_pipeline
from tokser.progress import say
from tokser.provenance import write_atomically
from tokser.shipped import shipped_file
from tokser.stages.run import PipelineResult, run_pipeline

__all__ = ["CAUTION", "demo"]

CAUTION = (
    "These scores mean nothing: the speech is synthetic and the encoders are random. "
    "They show that everything runs; name real encoders and corpora to get real scores."
)

EMODB_SENTENCES_USED = ("a01", "a02", "a05", "b01", "b03")


def demo(out: Path) -> PipelineResult:
    """Synthesise three corpora, build tiny encoders, and run `pipelines/demo.yaml` on them.

    Args:
        out: Folder of everything; done parts in it are kept and skipped.

    Returns:
        What the pipeline left; `results.csv` and `report.html` lie at the top of `out`.
    """
    from tokser.report.tables import merge_results

    _refuse_foreign(out)
    _synthesise(out / "corpora")
    _build_encoders(out / "encoders", out / "corpora")
    path = shipped_file("pipelines", "demo.yaml")
    pipeline = load_pipeline(path, [f"workspace={out}", f"caution={CAUTION!r}"])
    result = run_pipeline(pipeline)
    scores = merge_results(result.results)
    write_atomically(out / "results.csv", scores.to_csv(index=False).encode())
    return result


def _refuse_foreign(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / "corpora").is_dir():
        raise SettingsError(
            f"--out {out}",
            expected="a new folder, or one that a demo began",
            got="one that holds other things",
            remedy="Name another folder; nothing was written.",
        )


def _synthesise(corpora: Path) -> None:
    from tokser.corpora.synthetic.emodb import write_emodb
    from tokser.corpora.synthetic.iemocap import write_iemocap
    from tokser.corpora.synthetic.librispeech import write_librispeech

    say("[demo] synthesise speech")
    write_librispeech(corpora / "LibriSpeech")
    write_emodb(corpora / "emodb", sentences=EMODB_SENTENCES_USED)
    write_iemocap(corpora / "IEMOCAP")


def _build_encoders(folder: Path, corpora: Path) -> None:
    from tokser.encoders.tiny import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper

    say("[demo] build tiny random encoders")
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_wavlm(folder / "tiny-wavlm")
    transcripts = [
        str(text)
        for dataset, name in (("librispeech", "LibriSpeech"), ("emodb", "emodb"))
        for text in scan_corpus(dataset, corpora / name).table["transcript"]
    ]
    build_tiny_bert(folder / "tiny-bert", transcripts)
