"""The comparison of results folders as tables, the same in every format."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from tokser.report.compare_results.compare import CompareResults
from tokser.report.compare_results.settings_table import settings_table
from tokser.report.compare_results.test_sets import test_sets_table
from tokser.report.naming import file_name, p_value, protocol_title
from tokser.report.table import Cell, Column, ColumnGroup, Table, Text
from tokser.report.tasks import TASKS, Metric

__all__ = ["comparison_tables"]

_LEVEL = 0.05
_TESTS = (
    "Difference: the first folder less the second, with its 95 % interval. p: the predictions of "
    "both are swapped for whole speakers (or sessions); p (max-t) is adjusted for all rows of the "
    "table (Westfall and Young). Bold: below .05."
)


def comparison_tables(found: CompareResults) -> Iterator[Table]:
    """Yield what differs, then scores and tests of each protocol and target, then evaluations."""
    dataset = str(next(iter(found.folders.values())).scores["dataset"].iloc[0])
    yield settings_table(found.settings, "compare-settings", f"{dataset}: what differs")
    metric = _metric(found)
    for family in found.families:
        parts = filter(None, (family.target, protocol_title(family.protocol)))
        about = f"{dataset}, {', '.join(parts)}"
        name = file_name("-".join(filter(None, ("compare", family.target, family.protocol))))
        if family.problem:
            columns = (ColumnGroup((Column("Configuration"),)),)
            why = (f"Not compared: {family.problem}.",)
            yield Table(f"{name}-scores", f"{about}: scores", columns, (), notes=why)
            continue
        scores, tests = (
            t[(t["protocol"] == family.protocol) & (t["target"] == family.target)]
            for t in (found.scores, found.tests)
        )
        notes = _unequal(family.num_common, family.num_test)
        yield _scores_table(scores, metric, list(found.folders), f"{name}-scores", about, notes)
        yield _tests_table(tests, metric, f"{name}-tests", about)
    yield test_sets_table(found.folders)


def _metric(found: CompareResults) -> Metric:
    tables = next(iter(found.folders.values())).tables
    return next(task.headline for task in TASKS if task.tables is tables)


def _unequal(num_common: int, num_test: Any) -> tuple[str, ...]:
    """Say on how many utterances scores are, and how many each folder tested."""
    if set(num_test.values()) == {num_common}:
        return (f"n = {num_common} test utterances.",)
    each = ", ".join(f"{name} {number}" for name, number in num_test.items())
    return (
        f"n = {num_common} test utterances that all configurations of the table predicted; the "
        f"folders predicted {each}. Scores of all are in their own tables.",
    )


def _scores_table(
    scores: pd.DataFrame,
    metric: Metric,
    folders: Sequence[str],
    name: str,
    about: str,
    notes: tuple[str, ...],
) -> Table:
    by_folder = {(row["configuration"], row["folder"]): row for row in scores.to_dict("records")}
    top = {one: scores.loc[scores["folder"] == one, metric.column].max() for one in folders}
    columns = (Column("Configuration"), *(Column(one, "interval") for one in folders))
    rows: list[tuple[Cell, ...]] = []
    chosen = []
    for label in dict.fromkeys(scores["configuration"]):
        cells: list[Cell] = [str(label)]
        for one in folders:
            row = by_folder.get((label, one))
            cells.append(None if row is None else _score(row, metric, top[one]))
            if row is not None and row["label"] != label:
                chosen.append(f"{one}: {row['label']}")
        rows.append(tuple(cells))
    notes = (*notes, *((f"Chosen on dev: {'; '.join(chosen)}.",) if chosen else ()))
    notes = (
        *notes,
        *(f"No interval: {why}." for why in dict.fromkeys(scores["no_interval"]) if why),
    )
    caption = f"{about}: {metric.axis}"
    return Table(name, caption, (ColumnGroup(columns),), tuple(rows), notes=notes)


def _score(row: dict[Any, Any], metric: Metric, top: float) -> Cell:
    value = float(row[metric.column])
    return metric.number(value, *_ends(row), is_best=value == top)


def _ends(row: dict[Any, Any]) -> tuple[float | None, float | None]:
    if pd.isna(row["low"]):
        return None, None
    return float(row["low"]), float(row["high"])


def _tests_table(tests: pd.DataFrame, metric: Metric, name: str, about: str) -> Table:
    columns = (
        *(Column("Configuration"), Column("First"), Column("Second")),
        *(Column("Difference", "interval"), Column("p", "number"), Column("p (max-t)", "number")),
    )
    rows = []
    for row in tests.to_dict("records"):
        p, adjusted = (None if pd.isna(row[k]) else float(row[k]) for k in ("p", "p_adjusted"))
        shown = p_value(adjusted)
        is_found = adjusted is not None and adjusted <= _LEVEL
        rows.append(
            (
                *(str(row["configuration"]), str(row["first"]), str(row["second"])),
                metric.number(float(row["difference"]), *_ends(row), is_difference=True),
                *(p_value(p), Text(shown) if is_found else shown),
            )
        )
    why = dict.fromkeys(f"No test: {one}." for one in tests["no_test"] if one)
    caption = f"{about}: paired tests, {metric.unit_of_difference}"
    return Table(name, caption, (ColumnGroup(columns),), tuple(rows), notes=(_TESTS, *why))
