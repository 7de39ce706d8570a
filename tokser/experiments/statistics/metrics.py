"""Scores of predictions; the unweighted average recall (UAR) comes first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Num

__all__ = [
    "Scores",
    "accuracy_from_confusion",
    "ccc",
    "ccc_from_sums",
    "chance_from_confusion",
    "confusion_of",
    "macro_f1_from_confusion",
    "score",
    "uar_from_confusion",
    "weighted_f1_from_confusion",
]


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions, as fractions.

    Attributes:
        uar: Mean recall over the classes that occur in the truth (macro recall).
        accuracy: Share of right predictions; what the paper prints as F1 (micro-F1).
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

    Source: paper, section 4.3.
    """
    confusion = confusion_of(truth, predictions, sorted({*truth, *predictions}))
    return Scores(
        uar=float(uar_from_confusion(confusion)),
        accuracy=float(accuracy_from_confusion(confusion)),
        macro_f1=float(macro_f1_from_confusion(confusion)),
        weighted_f1=float(weighted_f1_from_confusion(confusion)),
        num_test=len(truth),
    )


def confusion_of(
    truth: Sequence[str], predictions: Sequence[str], classes: Sequence[str]
) -> Int[np.ndarray, "truth prediction"]:
    """Count utterances by true (rows) and predicted class (columns), in the order of `classes`."""
    place = {name: number for number, name in enumerate(classes)}
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    rows, columns = ([place[name] for name in names] for names in (truth, predictions))
    np.add.at(confusion, (rows, columns), 1)
    return confusion


def uar_from_confusion(confusion: Num[np.ndarray, "*sets truth prediction"]) -> np.ndarray:
    """Return the UAR, [*sets], of counts by true and predicted class."""
    counts = confusion.sum(axis=-1)
    recalls = _diagonal(confusion) / np.maximum(counts, 1)
    occurring = (counts > 0).sum(axis=-1)
    return np.asarray(recalls.sum(axis=-1) / np.maximum(occurring, 1))


def accuracy_from_confusion(confusion: Num[np.ndarray, "*sets truth prediction"]) -> np.ndarray:
    """Return the share of right predictions, [*sets]."""
    total = confusion.sum(axis=(-2, -1))
    return np.asarray(_diagonal(confusion).sum(axis=-1) / np.maximum(total, 1))


def macro_f1_from_confusion(confusion: Num[np.ndarray, "*sets truth prediction"]) -> np.ndarray:
    """Return the mean F1, [*sets], of the classes that occur in the truth."""
    occurring = confusion.sum(axis=-1) > 0
    f1 = np.where(occurring, _f1(confusion), 0.0)
    return np.asarray(f1.sum(axis=-1) / np.maximum(occurring.sum(axis=-1), 1))


def weighted_f1_from_confusion(
    confusion: Num[np.ndarray, "*sets truth prediction"],
) -> np.ndarray:
    """Return the mean F1, [*sets], weighted by how often a class occurs in the truth."""
    counts = confusion.sum(axis=-1)
    total = np.maximum(counts.sum(axis=-1), 1)
    return np.asarray((_f1(confusion) * counts).sum(axis=-1) / total)


def chance_from_confusion(
    metric: Callable[[np.ndarray], np.ndarray],
    confusion: Num[np.ndarray, "truth prediction"],
) -> float:
    """Return the highest score, under a metric, of giving every utterance one and the same class.

    Args:
        metric: For instance `uar_from_confusion`.
        confusion: Of any predictions; only how often each class occurs in the truth matters.
    """
    counts = confusion.sum(axis=1)
    constant = np.zeros((len(counts), *confusion.shape))
    for guess in range(len(counts)):
        constant[guess, :, guess] = counts
    return float(metric(constant).max())


def _diagonal(confusion: np.ndarray) -> np.ndarray:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _f1(confusion: np.ndarray) -> np.ndarray:
    """Return the F1 of each class, [*sets, classes]; 0 where it neither occurs nor is guessed."""
    both = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return np.asarray(2 * _diagonal(confusion) / np.maximum(both, 1))


def ccc(truth: Float[np.ndarray, " utterances"], guess: Float[np.ndarray, " utterances"]) -> float:
    """Return the concordance correlation coefficient of numbers.

    CCC = 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2), population moments; 0 where
    nothing varies.

    Source: Lin 1989.
    """
    sums = [len(truth), truth.sum(), guess.sum()]
    sums += [(truth * truth).sum(), (guess * guess).sum(), (truth * guess).sum()]
    return float(ccc_from_sums(np.array(sums, dtype=np.float64)))


def ccc_from_sums(sums: Float[np.ndarray, "*sets 6"]) -> np.ndarray:
    """Return the CCC, [*sets], of the sums of 1, x, y, x^2, y^2 and xy."""
    count, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    count = np.maximum(count, 1)
    covariance = xy / count - x * y / count**2
    spread = xx / count - (x / count) ** 2 + yy / count - (y / count) ** 2
    total = spread + ((x - y) / count) ** 2
    result: np.ndarray = np.where(total > 1e-12, 2 * covariance / np.maximum(total, 1e-12), 0.0)
    return result
