"""Whether two feature sets differ: swapping their predictions speaker by speaker."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from tokser.classify.intervals import averaged, quantiles
from tokser.classify.tally import Tally, joined, mean_score

__all__ = ["Comparison", "compare_all", "holm", "swap_test"]

_MOST_EXACT = 13
"""Speakers up to which all swaps are tried: 4,096 of them, the others being their mirror images."""
_NUM_RANDOM = 4_095
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Comparison:
    """What is known of a difference between two feature sets.

    Attributes:
        first: Name of one.
        second: Name of the other.
        difference: Score of the first minus that of the second.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: Of the swap test.
        p_holm: The same, adjusted for all comparisons that were made together.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float


def compare_all(
    tallies: Mapping[str, Sequence[Tally]],
    weights: Float[np.ndarray, "draws speakers"],
    *,
    seed: int,
) -> list[Comparison]:
    """Compare every feature set with every other one.

    Args:
        tallies: Predictions of each seed, by feature set; all of the same utterances.
        weights: Draws of speakers, for the intervals.
        seed: Of random swaps.
    """
    pairs = list(itertools.combinations(tallies, 2))
    everybody = np.ones((1, weights.shape[1]))
    scores = {name: float(averaged(found, everybody)[0]) for name, found in tallies.items()}
    drawn = {name: averaged(found, weights) for name, found in tallies.items()}
    p_values = [swap_test(tallies[a], tallies[b], seed=seed) for a, b in pairs]
    return [
        Comparison(a, b, scores[a] - scores[b], *quantiles(drawn[a] - drawn[b]), p, adjusted)
        for (a, b), p, adjusted in zip(pairs, p_values, holm(p_values), strict=True)
    ]


def swap_test(first: Sequence[Tally], second: Sequence[Tally], *, seed: int) -> float:
    """Return the two-sided p-value of a difference in score.

    If the feature sets were equally good, it would not matter which of them made a speaker's
    predictions. So their predictions are swapped for some of the speakers, and p is the share of
    swaps whose difference is at least the one that was found: all swaps up to thirteen speakers
    (exact), else 4,095 random ones and the identity.

    Args:
        first: Predictions of each seed.
        second: Those of the other set: the same seeds, speakers, folds and utterances.
        seed: Of the random swaps.

    Returns:
        p; with n speakers it is at least 2 / 2^n.
    """
    swaps = _swaps(first[0].sums.shape[0], seed)
    differences = np.mean(
        [_differences(a, b, swaps) for a, b in zip(first, second, strict=True)], axis=0
    )
    # The first row swaps nobody, so it holds what was found.
    return float(np.mean(np.abs(differences) >= abs(differences[0]) - _ROUNDING))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for being many, so that one false find among all has probability 5 %.

    The i-th smallest of m is multiplied by m - i + 1, and none falls below a smaller one.

    Source: Holm 1979.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return [float(value) for value in adjusted]


def _swaps(num_speakers: int, seed: int) -> Bool[np.ndarray, "swaps speakers"]:
    if num_speakers <= _MOST_EXACT:
        numbers = np.arange(2 ** (num_speakers - 1))[:, None]
        return np.asarray(numbers >> np.arange(num_speakers) & 1, dtype=bool)
    drawn = np.random.default_rng(seed).random((_NUM_RANDOM, num_speakers)) < 0.5
    return np.concatenate([np.zeros((1, num_speakers), dtype=bool), drawn])


def _differences(
    first: Tally, second: Tally, swaps: Bool[np.ndarray, "swaps speakers"]
) -> Float[np.ndarray, " swaps"]:
    """Return score minus score after each swap.

    Both sets side by side are one set with twice the speakers, of whom each draw has one half.
    """
    both = joined(first, second)
    kept = swaps.astype(np.float64)
    ours = mean_score(both, np.concatenate([1 - kept, kept], axis=1))
    theirs = mean_score(both, np.concatenate([kept, 1 - kept], axis=1))
    return np.asarray(ours - theirs)
