"""Scores of several classes at once: average precision of each, and F1 at the threshold 1/2.

They are made of sums over utterances, [..., K, 2, BINS] for K classes: how many utterances without
and with class c have a predicted probability in each of BINS ranges of its logit. So the average
precision is that of logits rounded down to sixteenths, which sums can be added up for; the tables
of results have it exactly.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64, Num

from tokser.experiments.statistics.share_scores import macro_f1_of_counts

__all__ = [
    "BINS",
    "ap_by_class",
    "bins_of",
    "counts_at_half",
    "exact_ap",
    "macro_f1_from_presence",
    "mean_ap_from_presence",
    "presence_sums",
]

BINS = 256
_STEPS = 16
"""Ranges in a logit; the middle one of BINS begins at 0, where the probability is 1/2."""


def bins_of(guess: Float[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
    """Return the range that each probability lies in; 0 and 1 lie in the outermost."""
    inside = np.clip(guess, 1e-12, 1 - 1e-12)
    logits = np.log(inside) - np.log1p(-inside)
    places: np.ndarray = np.clip(np.floor(logits * _STEPS) + BINS // 2, 0, BINS - 1)
    return places.astype(np.int64)


def presence_sums(
    truth: Num[np.ndarray, "utterances classes"],
    guess: Float[np.ndarray, "utterances classes"],
    units: Int64[np.ndarray, " utterances"] | None = None,
    num_units: int = 1,
) -> Float[np.ndarray, "units classes 2 bins"]:
    """Count utterances by unit, class, presence and range of probability.

    Args:
        truth: 1 where a class is present.
        guess: Predicted probabilities.
        units: Unit of each utterance; none: all are of one.
        num_units: How many there are.
    """
    num, size = truth.shape
    unit = np.zeros(num, dtype=np.int64) if units is None else units
    places = (unit[:, None] * size + np.arange(size)) * 2 + (truth > 0)
    cells = places * BINS + bins_of(guess)
    counts = np.bincount(cells.ravel(), minlength=num_units * size * 2 * BINS)
    return counts.reshape(num_units, size, 2, BINS).astype(np.float64)


def ap_by_class(sums: Float[np.ndarray, "*sets classes 2 bins"]) -> np.ndarray:
    """Return the average precision of each class, [*sets, classes]; 0 where it is never present.

    AP = sum_b (R_b - R_(b-1)) P_b, b from the highest range downwards, with recall R and
    precision P of everything from there upwards.

    Source: as scikit-learn's `average_precision_score`.
    """
    down = sums[..., ::-1]
    absent, present = (down[..., side, :].cumsum(axis=-1) for side in (0, 1))
    precision = present / np.maximum(absent + present, 1)
    total = np.maximum(present[..., -1], 1)
    return np.asarray((down[..., 1, :] * precision).sum(axis=-1) / total)


def mean_ap_from_presence(sums: Float[np.ndarray, "*sets classes 2 bins"]) -> np.ndarray:
    """Return the mean average precision, [*sets], of the classes that are present somewhere."""
    occurs = sums[..., 1, :].sum(axis=-1) > 0
    found = np.where(occurs, ap_by_class(sums), 0.0)
    return np.asarray(found.sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1))


def counts_at_half(sums: Float[np.ndarray, "*sets classes 2 bins"]) -> np.ndarray:
    """Return, by class, utterances where it is predicted and present, predicted, present."""
    given = sums[..., BINS // 2 :].sum(axis=-1)
    return np.stack([given[..., 1], given.sum(axis=-1), sums[..., 1, :].sum(axis=-1)], axis=-1)


def macro_f1_from_presence(sums: Float[np.ndarray, "*sets classes 2 bins"]) -> np.ndarray:
    """Return the macro-F1, [*sets], of classes whose probability is at least 1/2."""
    return macro_f1_of_counts(counts_at_half(sums))


def exact_ap(
    truth: Num[np.ndarray, "utterances classes"],
    guess: Float[np.ndarray, "utterances classes"],
    classes: Sequence[str],
) -> dict[str, float]:
    """Return scikit-learn's average precision of each class that is present somewhere."""
    from sklearn.metrics import average_precision_score

    return {
        name: float(average_precision_score(truth[:, place] > 0, guess[:, place]))
        for place, name in enumerate(classes)
        if (truth[:, place] > 0).any()
    }
