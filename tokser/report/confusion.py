"""Which label is taken for which other one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.report.tables import Configuration

__all__ = ["Confusion", "confusion_of"]


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

    def rows(self) -> Iterator[tuple[str, int, list[tuple[str, int, float]]]]:
        """Yield label, number of its utterances, and (prediction, count, share) of its cells."""
        for label, counts, shares in zip(self.labels, self.counts, self.shares, strict=True):
            cells = zip(self.labels, counts.tolist(), shares.tolist(), strict=True)
            yield label, int(counts.sum()), list(cells)


def confusion_of(
    predictions: pd.DataFrame, configuration: Configuration, protocol: str
) -> Confusion | None:
    """Count the labels and predictions of one configuration under one protocol.

    Args:
        predictions: Predictions of that configuration's results folder.
        configuration: Features and classifier.
        protocol: Name of the protocol.

    Returns:
        The counts over all folds, labels in alphabetic order; None without predictions.
    """
    mine = predictions[
        (predictions["features"] == configuration.features)
        & (predictions["classifier"] == configuration.classifier)
        & (predictions["protocol"] == protocol)
    ]
    if mine.empty:
        return None
    labels = sorted({*mine["label"].astype(str), *mine["prediction"].astype(str)})
    position = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    rows = mine["label"].astype(str).map(position)
    columns = mine["prediction"].astype(str).map(position)
    np.add.at(counts, (rows.to_numpy(dtype=int), columns.to_numpy(dtype=int)), 1)
    return Confusion(tuple(labels), counts)
