"""`tokser compare-results`: several results folders side by side."""

from typing import Any

from tokser.cli.options import command, json_option, settings_of
from tokser.cli.output import print_json, show, tell
from tokser.config import CompareResultsSettings

__all__ = ["compare_results"]


@command(
    name="compare-results",
    example="tokser compare-results workspace/results/emodb workspace/results/emodb-fit\n"
    "tokser compare-results results/a results/b --format latex --out tables",
)
@settings_of(CompareResultsSettings)
@json_option
def compare_results(given: dict[str, Any], *, as_json: bool) -> None:
    """Show what results folders differ in, and whether their scores do.

    RESULTS are two folders or more, written by `tokser classify` or `tokser regress` for one
    corpus. Settings, what made the features, and versions that are equal are left out. Equal
    configurations, and the one that dev chose in each folder, are scored on the test utterances
    that every folder predicted, and compared by paired permutation tests over speakers. The ledgers
    say how often the test sets were evaluated, all folders together.
    """
    settings = CompareResultsSettings.parse(given, where="tokser compare-results")
    from tokser.stages.compare_results import compare_results as run

    found = run(settings)
    if as_json:
        tables = {name: getattr(found, name) for name in ("settings", "scores", "tests")}
        print_json({name: table.to_dict("records") for name, table in tables.items()})
        return
    from tokser.report.compare_results.tables import comparison_tables
    from tokser.report.renderers import render_table
    from tokser.report.renderers.terminal import render_terminal

    if settings.out is not None:
        tell(f"tables -> {settings.out}")
        return
    for table in comparison_tables(found):
        if not settings.formats:
            show(render_terminal(table))
        for form in settings.formats:
            tell(render_table(table, form))
