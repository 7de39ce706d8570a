"""The confusion matrix of one configuration."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.report.scores import Configuration
from tokser.report.table import Cell, Column, ColumnGroup, Share, Table

__all__ = ["Confusion", "confusion_of", "confusion_table"]


@dataclass(frozen=True)
class Confusion:
    """Counts of test utterances by label (rows) and prediction (columns)."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    """`[labels, labels]`."""

    @property
    def shares(self) -> NDArray[np.float64]:
        """Counts over their row's sum, `[labels, labels]`; 0 in a row without utterances.

        The mean of the diagonal, over rows with utterances, is the UAR of all folds together.
        """
        totals = self.counts.sum(axis=1, keepdims=True)
        return np.asarray(self.counts / np.maximum(totals, 1), dtype=np.float64)

    @property
    def totals(self) -> list[int]:
        """Utterances of each label."""
        return [int(total) for total in self.counts.sum(axis=1)]


def confusion_of(
    table: pd.DataFrame, configuration: Configuration, protocol: str
) -> Confusion | None:
    """Read the counts of one configuration under one protocol, over all folds and seeds.

    Args:
        table: `confusion.csv` of that configuration's results folder.
        configuration: Features, classifier and setup.
        protocol: Name of the protocol.

    Returns:
        Labels in alphabetic order; None where the table does not have this configuration.
    """
    key = ("features", "classifier", "setup")
    own = table["protocol"] == protocol
    for column in key:
        own &= table[column] == getattr(configuration, column)
    if not own.any():
        return None
    counts = table[own].pivot_table(
        index="label", columns="prediction", values="count", aggfunc="sum", fill_value=0
    )
    labels = sorted({*counts.index, *counts.columns})
    square = counts.reindex(index=labels, columns=labels, fill_value=0)
    return Confusion(tuple(labels), square.to_numpy(dtype=np.int64))


def confusion_table(confusion: Confusion, name: str, caption: str) -> Table:
    """Show labels down, predictions across; each cell is a count and its share of the row."""
    rows: list[tuple[Cell, ...]] = []
    for label, counts, shares, total in zip(
        confusion.labels, confusion.counts, confusion.shares, confusion.totals, strict=True
    ):
        cells = [Share(int(n), float(share)) for n, share in zip(counts, shares, strict=True)]
        rows.append((label, *cells, total))
    columns = (
        Column("Label"), *(Column(label, "share") for label in confusion.labels),
        Column("n", "number"),
    )  # fmt: skip
    return Table(name, caption, (ColumnGroup(columns),), tuple(rows))
