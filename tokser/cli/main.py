"""The command `tokser`, and the commands that are no single stage: doctor, run, demo."""

import sys
from pathlib import Path

import click

from tokser import __version__
from tokser.cli import stages
from tokser.cli.compare import compare
from tokser.cli.options import (
    EXIT_CODES,
    FILE,
    FOLDER,
    exit_if_quarantined,
    reports_errors,
    show_results,
    workspace_option,
    workspace_or_default,
)
from tokser.cli.store import store

__all__ = ["main"]


class _StageGroup(click.Group):
    """Shows commands in the order of the data's way, not of the alphabet."""

    ORDER = (
        *("doctor", "demo", "manifest", "extract", "pretrain", "align", "pool", "classify"),
        *("report", "run", "store", "compare"),
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.commands, key=self.ORDER.index)


@click.group(cls=_StageGroup, epilog=EXIT_CODES, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="tokser")
def main() -> None:
    """Extract frozen speech and text activations once, then experiment in seconds.

    \b
    tokser extract    audio and text -> activations in a store
    tokser pretrain   store -> aligner (text tokens query speech frames)
    tokser align      store + aligner -> aligned feature
    tokser pool       features -> mean and standard deviation
    tokser classify   functionals -> grid of emotion classifiers -> scores
    tokser report     scores -> tables and plots

    `tokser demo` does all of it on speech that it synthesises itself.
    """  # noqa: D301  click takes the backspace as: keep these lines as they are


@main.command()
@workspace_option
@reports_errors
def doctor(workspace: Path | None) -> None:
    """Say what is installed, what is missing, and how to mend it."""
    from tokser.stages.doctor import doctor as examine

    healthy = examine(workspace_or_default(workspace))
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

    PIPELINE is a YAML file, see the folder pipelines/.
    """
    from tokser.pipeline import load_pipeline
    from tokser.stages.run import run_pipeline

    result = run_pipeline(load_pipeline(pipeline, overrides))
    show_results(result.results)
    if result.report:
        click.echo(f"report -> {result.report}")
    exit_if_quarantined(result.quarantined)


@main.command()
@click.option(
    "--out", type=FOLDER, default=Path("demo"), help="Folder of everything.  [default: ./demo]"
)
@reports_errors
def demo(out: Path) -> None:
    """Run everything on synthetic speech, no download."""
    from tokser.stages.demo import CAUTION
    from tokser.stages.demo import demo as run

    result = run(out)
    show_results(result.results)
    click.secho(CAUTION, fg="yellow")
    click.echo(f"scores -> {out / 'results.csv'}")
    click.echo(f"report -> {result.report}")
    exit_if_quarantined(result.quarantined)


for _command in (
    *(stages.manifest, stages.extract, stages.pretrain, stages.align, stages.pool),
    *(stages.classify, stages.report, store, compare),
):
    main.add_command(_command)
