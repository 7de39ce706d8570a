"""`tokser report`: scores as a page, tables and figures."""

from typing import Any

from tokser.cli.options import command, settings_of
from tokser.cli.output import tell
from tokser.config import ReportSettings

__all__ = ["report"]


@command(example="tokser report workspace/results/emodb --out emodb.html")
@settings_of(ReportSettings)
def report(given: dict[str, Any]) -> None:
    """Write a page of tables and plots, or tables and figures for a paper.

    RESULTS are folders written by `tokser classify`, `regress`, `transfer`, `tune`, `probe` and
    `similarity`.
    """
    settings = ReportSettings.parse(given, where="tokser report")
    from tokser.stages.report import report as draw

    for path in draw(settings):
        tell(f"report -> {path}")
