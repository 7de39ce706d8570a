"""The scores of one folder in brief, as `tokser classify` and `tokser regress` end with them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from tokser.experiments.results import LABELS, TRANSFER, tables_in
from tokser.report.calibration_brief import calibration_brief
from tokser.report.inputs import uniform
from tokser.report.scores import Scores, arrange, reasons_without_interval, score_cells
from tokser.report.table import PERCENT, Column, ColumnGroup, Table
from tokser.report.tasks import TASKS, ReportedTask
from tokser.report.transfer import corpora_tables, find_matrices, labels_table, matrix_table

__all__ = ["summary_tables"]

_SIDE_BY_SIDE = 2
"""Protocols that fit into a terminal of 80 columns."""


def summary_tables(folder: Path) -> Iterator[Table]:
    """Yield the scores of a results folder by target, two protocols side by side.

    After them, where a folder has them: scores from corpus to corpus, and by corpus; calibration.

    Raises:
        MissingInputError: The folder has no scores.
        InputError: The file is not the scores.
    """
    tables = tables_in(folder)
    table = tables.summary or tables.scores
    scores = uniform(table.read(folder / table.file), tables.head)
    task = next(task for task in TASKS if task.tables is tables)
    for _, mine in scores.groupby("target", sort=False):
        arranged = arrange(task, mine)
        for start in range(0, len(arranged.protocols), _SIDE_BY_SIDE):
            yield _table(arranged, mine, arranged.protocols[start : start + _SIDE_BY_SIDE])
    yield from _across_corpora(folder, task)
    calibration = calibration_brief(folder)
    if calibration is not None:
        yield calibration


def _across_corpora(folder: Path, task: ReportedTask) -> Iterator[Table]:
    """Yield scores from corpus to corpus with what became of labels, or scores by corpus."""
    if (folder / TRANSFER.file).is_file():
        for matrix in find_matrices(TRANSFER.read(folder / TRANSFER.file)):
            yield matrix_table(matrix, "transfer", "from corpus to corpus")
        labels = LABELS.read(folder / LABELS.file)
        yield labels_table(labels, "labels", "classes that all corpora have")
    corpora = task.tables.corpora
    if (folder / corpora.file).is_file():
        scored = corpora.read(folder / corpora.file)
        yield from corpora_tables(scored, "corpora", "by corpus", task.headline)


def _table(scores: Scores, table: pd.DataFrame, protocols: Sequence[str]) -> Table:
    task, metrics = scores.task, scores.task.metrics[:2]
    columns = (Column(metrics[0].name, "interval"), Column(metrics[1].name, "number"))
    groups = [ColumnGroup((Column("features"),))]
    for protocol in protocols:
        mine = table[table["protocol"] == protocol]
        title = f"{protocol}, n = {mine['n_test'].iloc[0]}"
        groups.append(ColumnGroup(columns, title, next(filter(None, mine["stamp"]), "")))
    rows = tuple(
        (row.label, *(c for p in protocols for c in score_cells(task, found.get(p), metrics)))
        for row, found in scores.by_family
    )
    what = [table["dataset"].iloc[0], table["target"].iloc[0], *table["classifier"].unique()]
    what += [table["setup"].iloc[0], "in percent" if task.headline.scale == PERCENT else ""]
    notes = [*(_estimate(scores, p) for p in protocols), *reasons_without_interval(scores)]
    return Table("summary", ", ".join(filter(None, what)), tuple(groups), rows, notes=tuple(notes))


def _estimate(scores: Scores, protocol: str) -> str:
    """State the score that the test set had no part in selecting, and chance."""
    metric, under = scores.task.headline, scores.under(protocol)
    found = scores.estimate(protocol)
    chance = f"chance {metric.number(under[0][1].chance)}"
    if found is None:
        return f"{protocol}: {chance}; the highest row is not an estimate"
    _, score = found
    among = f", selected on dev in each fold among {score.num_candidates}" if len(under) > 1 else ""
    number = metric.number(score.value, score.low, score.high)
    return f"{protocol}: {metric.name} {number}{among}; {chance}"
