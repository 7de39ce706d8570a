"""Scores of predictions; the unweighted average recall (UAR) comes first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

__all__ = [
    "ClassScores",
    "Scores",
    "ccc",
    "ccc_from_sums",
    "confusion_of",
    "score",
    "score_classes",
    "uar_from_confusion",
]


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


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class.

    Attributes:
        name: The class.
        precision: Share of right ones among the utterances that were given this class.
        recall: Share of right ones among the utterances that have it.
        f1: Harmonic mean of both.
        support: Utterances that have it.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


def score(truth: Sequence[str], predictions: Sequence[str]) -> Scores:
    """Score predictions, [utterances] each.

    Source: report, section 4.3.
    """
    classes = sorted({*truth, *predictions})
    confusion = confusion_of(truth, predictions, classes)
    hits, counts = np.diagonal(confusion), confusion.sum(axis=1)
    f1 = 2 * hits / (counts + confusion.sum(axis=0))
    return Scores(
        uar=float(uar_from_confusion(confusion[None])[0]),
        accuracy=float(hits.sum() / counts.sum()),
        macro_f1=float(f1[counts > 0].mean()),
        weighted_f1=float(np.average(f1, weights=counts)),
        num_test=len(truth),
    )


def score_classes(
    truth: Sequence[str], predictions: Sequence[str], classes: Sequence[str]
) -> list[ClassScores]:
    """Score each class on its own; a ratio without a denominator is 0."""
    confusion = confusion_of(truth, predictions, classes)
    hits, support, guessed = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = hits / np.maximum(guessed, 1), hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + guessed, 1)
    return [
        ClassScores(name, float(p), float(r), float(f), int(n))
        for name, p, r, f, n in zip(classes, precision, recall, f1, support, strict=True)
    ]


def confusion_of(
    truth: Sequence[str], predictions: Sequence[str], classes: Sequence[str]
) -> Int[np.ndarray, "truth prediction"]:
    """Count utterances by true (rows) and predicted class (columns), in the order of `classes`."""
    place = {name: number for number, name in enumerate(classes)}
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    rows, columns = ([place[name] for name in names] for names in (truth, predictions))
    np.add.at(confusion, (rows, columns), 1)
    return confusion


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
