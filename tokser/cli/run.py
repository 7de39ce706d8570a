"""`tokser run`: a declared pipeline."""

from pathlib import Path

import click

from tokser.cli.options import FILE, command, option, threads_option
from tokser.cli.output import exit_if_quarantined, show_results, tell

__all__ = ["run"]


@command(example="tokser run pipelines/emodb-whisper-base.yaml --set workspace=/scratch/w")
@click.argument("pipeline", type=FILE)
@option(
    "--set",
    "overrides",
    topic="Input",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a variable, or a place such as classify.0.grid.epochs.",
)
@threads_option
def run(pipeline: Path, overrides: tuple[str, ...]) -> None:
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
