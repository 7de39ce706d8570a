"""Which of several systems differ: swapping their predictions unit by unit, all pairs together."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from tokser.experiments.statistics.unit_sums import Score, UnitSums, estimate_difference

__all__ = ["Comparison", "compare_all", "compare_pairs", "smallest_p", "step_down"]

LEVEL = 0.05
_MAX_EXACT = 13
"""Units up to which all swaps are tried: 4,096 of them, the others being their mirror images."""
_NUM_RANDOM = 4_095
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Comparison:
    """What is known of a difference between two systems.

    Attributes:
        first: Name of one.
        second: Name of the other.
        difference: Score of the first minus that of the second.
        low: Lower end of its 95 % interval; NaN where there is none.
        high: Upper end.
        no_interval: Why there is none; empty where there is one.
        p: Of the swap test; None where there is no test.
        p_adjusted: The same, adjusted for all pairs that were compared together.
        no_test: Why there is no test; empty where there is one.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    no_interval: str
    p: float | None
    p_adjusted: float | None
    no_test: str


def compare_all(systems: Mapping[str, UnitSums], score: Score, *, seed: int) -> list[Comparison]:
    """Compare every system with every other one.

    If two systems were equally good, it would not matter which of them made a unit's predictions.
    So their predictions are swapped for some of the units, the same ones in every pair, and p is
    the share of swaps whose difference is at least the one that was found: all swaps up to 13
    units (exact), else 4,095 random ones and the identity. p_adjusted is for all pairs together.

    Args:
        systems: Sums of each system, all of the same utterances.
        score: Of their sums.
        seed: Of random swaps.

    Source: Westfall and Young 1993, algorithm 2.8 (step-down max-t). Departs: t is the difference
    over its root mean square among the swaps.
    """
    named = list(itertools.combinations(systems, 2))
    return compare_pairs(
        {pair: (systems[pair[0]], systems[pair[1]]) for pair in named}, score, seed=seed
    )


def compare_pairs(
    pairs: Mapping[tuple[str, str], tuple[UnitSums, UnitSums]], score: Score, *, seed: int
) -> list[Comparison]:
    """Compare the two systems of each pair as `compare_all` does, all these pairs together.

    Args:
        pairs: Sums of both by their names; the units of all pairs are the same.
        score: Of their sums.
        seed: Of random swaps.
    """
    if not pairs:
        return []
    one, _ = next(iter(pairs.values()))
    reason = one.missing
    if not reason and smallest_p(len(one.sums)) > LEVEL:
        reason = f"{len(one.sums)} {one.kind}s: p cannot be below {smallest_p(len(one.sums)):.3g}"
    differences = [estimate_difference(*both, score) for both in pairs.values()]
    p_values: list[tuple[float | None, float | None]] = [(None, None)] * len(pairs)
    if not reason:
        swaps = _swaps(len(one.sums), seed)
        statistics = np.stack([_swapped(*both, score, swaps) for both in pairs.values()])
        each = (statistics >= statistics[:, :1] - _ROUNDING).mean(axis=1)
        p_values = list(zip(map(float, each), step_down(statistics), strict=True))
    return [
        Comparison(*pair, difference, interval.low, interval.high, interval.missing, *p, reason)
        for pair, (difference, interval), p in zip(pairs, differences, p_values, strict=True)
    ]


def smallest_p(num_units: int) -> float:
    """Return the least p that a two-sided swap test of so many units can give."""
    if num_units > _MAX_EXACT:
        return 1 / (_NUM_RANDOM + 1)
    return float(2.0 ** (1 - num_units))


def step_down(statistics: Float[np.ndarray, "hypotheses swaps"]) -> list[float]:
    """Adjust for being many, so that one false find among all has probability 5 % at most.

    A hypothesis is held against the largest statistic, in each swap, of itself and of all whose
    observed statistics are not larger; none is adjusted to less than one with a larger statistic.

    Args:
        statistics: Absolute and on one scale; the first swap is what was observed.

    Source: Westfall and Young 1993, algorithm 2.8.
    """
    order = np.argsort(-statistics[:, 0], kind="stable")
    largest = np.full(statistics.shape[1], -np.inf)
    shares = np.empty(len(order))
    for position in order[::-1]:
        largest = np.maximum(largest, statistics[position])
        shares[position] = (largest >= statistics[position, 0] - _ROUNDING).mean()
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(shares[order])
    return [float(value) for value in adjusted]


def _swaps(num_units: int, seed: int) -> Bool[np.ndarray, "swaps units"]:
    """Return which units are swapped; in the first row none is."""
    if num_units <= _MAX_EXACT:
        numbers = np.arange(2 ** (num_units - 1))[:, None]
        return np.asarray(numbers >> np.arange(num_units) & 1, dtype=bool)
    drawn = np.random.default_rng(seed).random((_NUM_RANDOM, num_units)) < 0.5
    return np.concatenate([np.zeros((1, num_units), dtype=bool), drawn])


def _swapped(
    first: UnitSums, second: UnitSums, score: Score, swaps: Bool[np.ndarray, "swaps units"]
) -> Float[np.ndarray, " swaps"]:
    """Return |score minus score| after each swap, over its root mean square."""
    num_units, *cells = first.sums.shape
    totals = [one.sums.sum(axis=0) for one in (first, second)]
    moved = (second.sums - first.sums).reshape(num_units, -1)
    change = (swaps.astype(np.float64) @ moved).reshape(len(swaps), *cells)
    ours, theirs = (score(sums).mean(axis=-1) for sums in (totals[0] + change, totals[1] - change))
    difference = np.abs(ours - theirs)
    size = np.sqrt((difference**2).mean())
    return np.asarray(difference / size if size > _ROUNDING else np.zeros_like(difference))
