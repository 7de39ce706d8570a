"""Scores of predictions; the unweighted average recall (UAR) comes first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

__all__ = ["Scores", "score", "uar_from_confusion"]


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions, as fractions.

    Attributes:
        uar: Mean recall over the classes that occur in the truth (macro recall).
        accuracy: Share of right predictions; what the report prints as F1 (micro-F1).
        macro_f1: Mean F1 over those classes.
        weighted_f1: Mean F1 weighted by how often a class occurs.
        num_test: Utterances that were scored.
    """

    uar: float
    accuracy: float
    macro_f1: float
    weighted_f1: float
    num_test: int


def score(truth: Sequence[str], predictions: Sequence[str]) -> Scores:
    """Score predictions, [utterances] each.

    Source: report, section 4.3.
    """
    classes, codes = np.unique([truth, predictions], return_inverse=True)
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, tuple(codes.reshape(2, -1)), 1)
    hits, counts = np.diagonal(confusion), confusion.sum(axis=1)
    f1 = 2 * hits / (counts + confusion.sum(axis=0))
    return Scores(
        uar=float(uar_from_confusion(confusion[None])[0]),
        accuracy=float(hits.sum() / counts.sum()),
        macro_f1=float(f1[counts > 0].mean()),
        weighted_f1=float(np.average(f1, weights=counts)),
        num_test=len(truth),
    )


def uar_from_confusion(
    confusion: Int[np.ndarray, "models truth prediction"],
) -> np.ndarray:
    """Return the UAR, [models], of counts by true and predicted class."""
    counts = confusion.sum(axis=2)
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    recalls = hits / np.maximum(counts, 1)
    occurring = (counts > 0).sum(axis=1)
    result: np.ndarray = recalls.sum(axis=1) / np.maximum(occurring, 1)
    return result
