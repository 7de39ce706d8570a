"""Conformal prediction sets: as many classes as it takes to hold the true one often enough.

How little a class conforms to an utterance is its *nonconformity score*. The threshold is a
quantile of the scores of true classes of utterances that nothing was trained on; the set holds
every class whose score is not above it, and always the predicted class (which adds coverage).
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int64

from tokser.config.calibration import SetScore

__all__ = [
    "Threshold",
    "class_scores",
    "fit_threshold",
    "most_coverage",
    "num_needed",
    "prediction_sets",
    "true_scores",
]

_ROUNDING = 1e-9


class Threshold(NamedTuple):
    """The largest score that a class in the set may have.

    Attributes:
        value: Infinite where the coverage cannot be promised: every class is in the set.
        num_groups: Speakers, or utterances, that it rests on.
    """

    value: float
    num_groups: int


def class_scores(
    probabilities: Float[np.ndarray, "utterances classes"],
    score: SetScore,
    draws: Float[np.ndarray, " utterances"] | None = None,
) -> Float[np.ndarray, "utterances classes"]:
    """Return the nonconformity score of each class.

    Args:
        probabilities: Of each class.
        score: How it is measured.
        draws: A random number in [0, 1) for each utterance; needed by `aps-randomised`.

    Source: Sadinle et al. 2019 (lac), Romano et al. 2020 (aps).
    """
    if score == "lac":
        return np.asarray(1 - probabilities)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sorted_down = np.take_along_axis(probabilities, order, axis=1)
    before = np.cumsum(sorted_down, axis=1) - sorted_down
    if score == "aps-randomised":
        if draws is None:
            raise ValueError("aps-randomised needs a random number for each utterance")
        before = before + draws[:, None] * sorted_down
    scores: np.ndarray = np.empty_like(before)
    np.put_along_axis(scores, order, before, axis=1)
    return np.asarray(scores)


def fit_threshold(
    scores: Float[np.ndarray, " utterances"],
    coverage: float,
    speakers: np.ndarray | None = None,
) -> Threshold:
    """Return the threshold at which sets hold the true class with probability `coverage`.

    The quantile of the scores' distribution at `coverage`, in which a score that is still to come
    counts as infinite. Without speakers each of n scores weighs 1 / (n + 1), which promises the
    coverage for utterances drawn like these. With K speakers each speaker weighs 1 / (K + 1),
    shared by N_k utterances: that promises it for an utterance of a speaker drawn like these, of
    whom nothing is known.

    Args:
        scores: Of the true class of each utterance.
        coverage: Between 0 and 1.
        speakers: Of each utterance; None: utterances are exchangeable.

    Source: Vovk et al. 2005; Lee, Barber and Willett 2023, "Distribution-free inference with
    hierarchical data", section 3 (HCP).
    """
    if speakers is None:
        num_groups = len(scores)
        weights = np.full(num_groups, 1 / (num_groups + 1))
    else:
        codes, names = pd.factorize(speakers)
        num_groups = len(names)
        weights = 1 / ((num_groups + 1) * np.bincount(codes, minlength=num_groups)[codes])
    order = np.argsort(scores, kind="stable")
    reached = np.flatnonzero(np.cumsum(weights[order]) >= coverage - _ROUNDING)
    value = float(scores[order[reached[0]]]) if len(reached) else math.inf
    return Threshold(value, num_groups)


def most_coverage(num_groups: int) -> float:
    """Return the highest coverage below 1 that this many speakers (or utterances) can promise."""
    return num_groups / (num_groups + 1)


def num_needed(coverage: float) -> int:
    """Return how many speakers (or utterances) it takes to promise a coverage."""
    return math.ceil(coverage / (1 - coverage) - _ROUNDING)


def prediction_sets(
    probabilities: Float[np.ndarray, "utterances classes"],
    threshold: float,
    score: SetScore,
    draws: Float[np.ndarray, " utterances"] | None = None,
) -> Bool[np.ndarray, "utterances classes"]:
    """Return which classes are in the set of each utterance; the predicted class always is."""
    sets = class_scores(probabilities, score, draws) <= threshold
    sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
    return np.asarray(sets)


def true_scores(
    probabilities: Float[np.ndarray, "utterances classes"],
    truth: Int64[np.ndarray, " utterances"],
    score: SetScore,
    draws: Float[np.ndarray, " utterances"] | None = None,
) -> Float[np.ndarray, " utterances"]:
    """Return the score of the true class of each utterance."""
    scores = class_scores(probabilities, score, draws)
    return np.asarray(scores[np.arange(len(truth)), truth])
