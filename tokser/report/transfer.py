"""Across corpora: the matrix of training and test corpora, and what became of the labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from tokser.report.table import Cell, Column, ColumnGroup, Number, Table
from tokser.report.tasks import Metric

if TYPE_CHECKING:
    from tokser.report.svg import Drawing
else:
    Drawing = Any  # matplotlib is imported where a matrix is drawn

__all__ = [
    "Matrix",
    "corpora_tables",
    "find_matrices",
    "labels_table",
    "matrix_figure",
    "matrix_table",
    "shown_matrices",
]

OTHERS = "all others"
_MOST = 8
"""Configurations whose matrices are shown."""
_KEY = ["features", "classifier", "setup"]


@dataclass(frozen=True)
class Matrix:
    """One configuration from each corpus to each.

    Attributes:
        label: What was trained.
        rows: Names of what was trained on, in order.
        columns: Names of what was tested.
        cells: Rows of `transfer.csv`, by training and test corpora.
    """

    label: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: dict[tuple[str, str], pd.Series]

    def number(self, row: str, column: str) -> Number | None:
        """Return the UAR of a cell, with its interval; None where it was not scored."""
        found = self.cells.get((row, column))
        if found is None:
            return None
        low, high = (None if pd.isna(v) else float(v) for v in (found.uar_low, found.uar_high))
        return Number(float(found.uar), low, high)

    @property
    def chance(self) -> float:
        """UAR of the best constant prediction."""
        return float(next(iter(self.cells.values())).uar_chance)


def find_matrices(table: pd.DataFrame) -> list[Matrix]:
    """Return the matrices of what dev selected, or of every configuration where nothing was.

    Args:
        table: `transfer.csv`.
    """
    chosen = table[table["num_candidates"].gt(1)]
    shown = chosen if len(chosen) else table
    columns = tuple(dict.fromkeys(table["test"]))
    found = []
    for _, own in list(shown.groupby(_KEY, sort=False))[:_MOST]:
        cells = {(_row(row), str(row.test)): row for _, row in own.iterrows()}
        rows = (*columns, *((OTHERS,) if own["kind"].eq("others").any() else ()))
        first = own.iloc[0]
        label = ", ".join(filter(None, (first.features, first.classifier, first.setup)))
        found.append(Matrix(label, rows, columns, cells))
    return found


def matrix_table(matrix: Matrix, name: str, title: str) -> Table:
    """Show a matrix: trained on down, tested on across."""
    columns = (
        Column("Trained on"), *(Column(name, "interval") for name in matrix.columns)
    )  # fmt: skip
    body: list[tuple[Cell, ...]] = [
        (row, *(matrix.number(row, column) for column in matrix.columns)) for row in matrix.rows
    ]
    sizes = {str(c.test): int(c.n_test) for c in matrix.cells.values()}
    tested = ", ".join(f"{corpus} {count}" for corpus, count in sizes.items())
    missing = [f"{corpus} within itself" for corpus in matrix.columns
               if (corpus, corpus) not in matrix.cells]  # fmt: skip
    reasons = {str(c.test): str(c.no_interval) for c in matrix.cells.values() if c.no_interval}
    notes = (
        "UAR in percent, with 95 % intervals over the speakers of the test corpus. Diagonal: leave "
        "one speaker out. Elsewhere: trained on other corpora, tested on all of this one; what dev "
        "selects, it selects on speakers of the training corpora.",
        f"Test utterances: {tested}. Chance: {Number(matrix.chance)}.",
        *((f"Not scored: {', '.join(missing)}.",) if missing else ()),
        *(f"{corpus}: no interval, {reason}." for corpus, reason in reasons.items()),
    )
    groups = (ColumnGroup(columns),)
    return Table(name, f"{title}: {matrix.label}", groups, tuple(body), notes=notes)


def matrix_figure(matrix: Matrix, title: str) -> Drawing:
    """Draw a matrix as a heat map."""
    from tokser.report.transfer_figure import heat_map

    numbers = [[matrix.number(row, column) for column in matrix.columns] for row in matrix.rows]
    return heat_map(
        f"{title}: {matrix.label}", matrix.rows, matrix.columns, numbers, chance=matrix.chance
    )


def labels_table(labels: pd.DataFrame, name: str, title: str) -> Table:
    """Show what became of each label, and how many utterances are left out.

    Args:
        labels: `labels.csv`.
        name: Of the table.
        title: Of the dataset.
    """
    columns = (
        Column("Corpus"), Column("Label"), Column("Class"), Column("Utterances", "number"),
        Column("Left out"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (row.corpus, row.label or "none", row["class"], int(row.num_utterances), row.left_out)
        for _, row in labels.iterrows()
    ]
    out = labels[labels["left_out"].ne("")]
    counts = out.groupby("corpus", sort=False)["num_utterances"].sum()
    totals = labels.groupby("corpus", sort=False)["num_utterances"].sum()
    told = [f"{int(n)} of {int(totals[corpus])} of {corpus}" for corpus, n in counts.items()]
    note = f"Left out: {', '.join(told) or 'nothing'}."
    return Table(name, f"{title}: labels", (ColumnGroup(columns),), tuple(rows), notes=(note,))


def corpora_tables(corpora: pd.DataFrame, name: str, title: str, metric: Metric) -> Iterator[Table]:
    """Show the scores of each corpus, where several stores are one dataset; a table a protocol.

    Args:
        corpora: `corpora.csv`.
        name: How the tables' names begin.
        title: Of the dataset.
        metric: The headline.
    """
    for protocol, own in corpora.groupby("protocol", sort=False):
        names = list(dict.fromkeys(own["corpus"]))
        head = "classifier" if "classifier" in own else "regressor"
        keys = [k for k in ("features", "target", head) if k in own]
        rows: list[tuple[Cell, ...]] = []
        for key, mine in own.groupby(keys, sort=False):
            by_corpus = mine.set_index("corpus")
            cells: list[Cell] = []
            for corpus in names:
                if corpus not in by_corpus.index:
                    cells.append(None)
                    continue
                one = by_corpus.loc[corpus]
                ends = (one[f"{metric.column}_low"], one[f"{metric.column}_high"])
                low, high = (None if pd.isna(v) else float(v) for v in ends)
                cells.append(metric.number(float(one[metric.column]), low, high))
            rows.append((", ".join(filter(None, map(str, key))), *cells))
        columns = (Column("Features"), *(Column(name, "interval") for name in names))
        sizes = own.drop_duplicates("corpus").set_index("corpus")["n_test"]
        note = f"Test utterances: {', '.join(f'{c} {int(n)}' for c, n in sizes.items())}."
        yield Table(
            f"{name}-{protocol}",
            f"{title}, {protocol}: {metric.axis} by corpus",
            (ColumnGroup(columns),),
            tuple(rows),
            notes=(note,),
        )


def _row(row: pd.Series) -> str:
    return OTHERS if row.kind == "others" else str(row.train)


def shown_matrices(
    tables: Sequence[pd.DataFrame], name: str, title: str
) -> list[tuple[Table, Drawing]]:
    """Return every matrix of some folders as a table and a figure."""
    found = [matrix for table in tables for matrix in find_matrices(table)]
    return [
        (matrix_table(one, f"{name}-transfer-{number}", title), matrix_figure(one, title))
        for number, one in enumerate(found, start=1)
    ]
