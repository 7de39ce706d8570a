"""The command `tokser`, and the commands that are no single stage: doctor, run, demo."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from tokser import __version__
from tokser.cli import experiments, stages
from tokser.cli.compare import compare
from tokser.cli.download import download
from tokser.cli.manifest import manifest
from tokser.cli.options import (
    EXIT_CODES,
    FILE,
    FOLDER,
    exit_if_quarantined,
    reports_errors,
    show_results,
    tell,
    workspace_option,
    workspace_or_default,
)
from tokser.cli.store import store
from tokser.console import bear_any_text

__all__ = ["main"]


class _StageGroup(click.Group):
    """Shows commands in the order of the data's way, not of the alphabet."""

    ORDER = (
        *("doctor", "demo", "download", "manifest", "extract", "pretrain", "align"),
        *("attention", "pool"),
        *("audit", "classify", "regress", "report", "run", "store", "compare"),
    )

    def main(self, *args: Any, **kwargs: Any) -> Any:
        bear_any_text()
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.commands, key=self.ORDER.index)


FIRST_STEPS = """\
tokser runs frozen speech and text encoders over an emotion corpus once, and experiments on what
they gave. Five steps:

  1. Look.     tokser doctor                  what is installed, found, missing, and what mends it
               tokser demo                    all of it on synthetic speech, no download
  2. Corpus.   tokser download emodb          40 MB; your own: tokser manifest csv --help
  3. Extract.  tokser extract --dataset emodb --root corpora/emodb --layers all \\
                 --encoder openai/whisper-base --store workspace/stores/emodb.zarr
  4. Pool.     tokser pool --store workspace/stores/emodb.zarr
  5. Score.    tokser classify --dataset emodb
               tokser report workspace/results/emodb --out emodb.html

Each can be stopped and called again. `tokser --help` lists every command, `tokser COMMAND --help`
every option."""


@click.group(
    cls=_StageGroup,
    epilog=EXIT_CODES,
    invoke_without_command=True,
    context_settings={"max_content_width": 100},
)
@click.version_option(__version__, prog_name="tokser")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Extract frozen speech and text activations once, then experiment in seconds.

    \b
    tokser extract    audio and text -> activations in a store
    tokser pretrain   store -> aligner (text tokens query speech frames)
    tokser align      store + aligner -> aligned feature
    tokser attention  store + aligner -> where an utterance's tokens listen
    tokser pool       features -> mean and standard deviation
    tokser audit      what the parts of a split share
    tokser classify   functionals -> grid of emotion classifiers -> scores
    tokser regress    functionals -> valence, arousal, dominance
    tokser report     scores -> tables and plots

    `tokser demo` does all of it on speech that it synthesises itself.
    """  # noqa: D301  click takes the backspace as: keep these lines as they are
    if ctx.invoked_subcommand is None:
        tell(FIRST_STEPS)


@main.command()
@workspace_option
@click.option(
    "--corpora",
    multiple=True,
    type=FOLDER,
    help="Folder of a corpus, or one that holds several; may be repeated.  "
    "[default: WORKSPACE/corpora, ./corpora and ./data]",
)
@reports_errors
def doctor(workspace: Path | None, corpora: tuple[Path, ...]) -> None:
    """Say what is installed, what is missing, and how to mend it.

    Corpora that are found are counted against what they should hold: LibriSpeech by split, EmoDB by
    recording, IEMOCAP (which needs a licence) by session and label.
    """
    from tokser.stages.doctor import doctor as examine

    healthy = examine(workspace_or_default(workspace), corpora)
    sys.exit(0 if healthy else 1)


@main.command("run")
@click.argument("pipeline", type=FILE)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a variable, or a place such as classify.0.grid.epochs; may be repeated.",
)
@reports_errors
def run_file(pipeline: Path, overrides: tuple[str, ...]) -> None:
    """Run a declared pipeline, skipping what is done.

    PIPELINE is a YAML file, or the name of one that comes with tokser (demo.yaml), see the folder
    pipelines/.
    """
    from tokser.pipeline import load_pipeline
    from tokser.stages.run import run_pipeline

    result = run_pipeline(load_pipeline(pipeline, overrides))
    show_results(result.results, result.regressions)
    if result.report:
        tell(f"report -> {result.report}")
    exit_if_quarantined(result.quarantined)


@main.command()
@click.option(
    "--out", type=FOLDER, default=Path("demo"), help="Folder of everything.  [default: ./demo]"
)
@click.option(
    "--only-material",
    is_flag=True,
    help="Only synthesise the corpora, and build random encoders for the reproduction pipelines.  "
    "[default: run everything]",
)
@reports_errors
def demo(out: Path, only_material: bool) -> None:
    """Run everything on synthetic speech, no download."""
    from tokser.stages.demo import CAUTION, next_commands
    from tokser.stages.demo import demo as run
    from tokser.testing import write_reproduction_material

    if only_material:
        write_reproduction_material(out)
        tell(f"corpora -> {out / 'corpora'}")
        tell(f"encoders -> {out / 'encoders'}")
        return
    result = run(out)
    show_results(result.results)
    tell(CAUTION, colour="yellow")
    tell(f"scores -> {out / 'results.csv'}")
    tell(f"report -> {result.report}  (open it in a browser)")
    tell("\nNext, for instance:")
    for what, command in next_commands(out, _program()):
        tell(f"\n  # {what}\n  {command}")
    exit_if_quarantined(result.quarantined)


def _program() -> str:
    """Return how tokser was called, so that a command that is shown can be copied."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m tokser"
    on_path = shutil.which("tokser")
    if on_path and Path(on_path).resolve() == called.resolve():
        return "tokser"
    return shlex.quote(sys.argv[0])


for _command in (
    *(download, manifest, stages.extract, stages.pretrain, stages.align, stages.attention),
    *(stages.pool, experiments.audit, experiments.classify, experiments.regress),
    *(stages.report, store, compare),
):
    main.add_command(_command)
