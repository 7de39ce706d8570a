"""The largest difference between groups of utterances: its interval, and a permutation test."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from tokser.experiments.statistics.unit_sums import Score
from tokser.intervals import LEVEL, MIN_UNITS, Interval, jackknife
from tokser.student_t import reach_of_t

__all__ = ["Arrangements", "GroupedSums", "arrange", "gap_interval", "gaps_of", "scores_of"]

MOST_EXACT = 4_096
"""Arrangements up to which all are tried."""
_FEWEST_RANDOM, _MOST_RANDOM = 499, 4_095
_BUDGET = 1e8
"""Additions of a test, by which the number of random arrangements is bounded."""
_CHUNK = 4_000_000
"""Numbers in memory at once."""


@dataclass(frozen=True)
class GroupedSums:
    """Sums of one system's test utterances, by group and unit.

    A cell is what one unit (a speaker, a sentence, an utterance) has in one group.

    Attributes:
        sums: What scores are made of, [cells, seeds, *rest].
        group: Number of the group of each cell, from 0.
        unit: Number of the unit of each cell.
        num_groups: How many groups there are.
        num_test: Test utterances of one seed, on average.
    """

    sums: Float[np.ndarray, "cells seeds *rest"]
    group: Int64[np.ndarray, " cells"]
    unit: Int64[np.ndarray, " cells"]
    num_groups: int
    num_test: float

    @property
    def is_nested(self) -> bool:
        """Whether each unit belongs to one group alone, as speakers belong to one sex."""
        return len(np.unique(self.unit)) == len(self.unit)


@dataclass(frozen=True)
class Arrangements:
    """Ways to assign groups to cells that would be as likely if groups did not differ.

    Attributes:
        groups: Group of each cell; the first row is what was observed.
        is_exact: Whether these are all ways.
        smallest_p: Least p that a test by them can give.
    """

    groups: Int64[np.ndarray, "arrangements cells"]
    is_exact: bool
    smallest_p: float


def arrange(
    group: Int64[np.ndarray, " cells"],
    strata: Int64[np.ndarray, " cells"],
    *,
    seed: int,
    size: int = 1,
) -> Arrangements:
    """Permute groups among the cells of each stratum: all ways where they are few, else random.

    Args:
        group: Observed, from 0.
        strata: Cells that may exchange their groups have the same number here.
        seed: Of random arrangements.
        size: Numbers of a cell, all seeds together: what an arrangement costs.
    """
    members = [np.flatnonzero(strata == one) for one in np.unique(strata)]
    if math.prod(_num_orders(group[own]) for own in members) <= MOST_EXACT:
        ways = [list(_orders(tuple(group[own].tolist()))) for own in members]
        rows = np.empty((math.prod(map(len, ways)), len(group)), dtype=np.int64)
        for row, chosen in zip(rows, itertools.product(*ways), strict=True):
            for own, order in zip(members, chosen, strict=True):
                row[own] = order
        is_first = (rows == group).all(axis=1)
        rows = np.concatenate([rows[is_first], rows[~is_first]])
        return Arrangements(rows, True, float(_same_partition(rows).mean()))
    number = int(_BUDGET / max(len(group) * size, 1))
    number = min(max(number, _FEWEST_RANDOM), _MOST_RANDOM)
    rng = np.random.default_rng(seed)
    rows = np.empty((number + 1, len(group)), dtype=np.int64)
    rows[0] = group
    in_order = np.argsort(strata, kind="stable")
    for row in rows[1:]:
        row[in_order] = group[np.argsort(strata + rng.random(len(group)))]
    return Arrangements(rows, False, 1 / (number + 1))


def scores_of(grouped: GroupedSums, score: Score) -> Float[np.ndarray, " groups"]:
    """Return the score of each group, averaged over seeds."""
    return np.asarray(next(_scores([grouped], grouped.group[None], score))[0, 0])


def gaps_of(
    systems: Sequence[GroupedSums], arrangements: Arrangements, score: Score
) -> Float[np.ndarray, "systems arrangements"]:
    """Return the highest score of a group minus the lowest, for each system and arrangement.

    Args:
        systems: Sums of each over the same cells.
        arrangements: Groups of these cells.
        score: Of the sums.
    """
    found = _scores(systems, arrangements.groups, score)
    return np.concatenate([one.max(axis=-1) - one.min(axis=-1) for one in found], axis=1)


def gap_interval(
    grouped: GroupedSums, first: int, second: int, score: Score, kind: str
) -> tuple[float, Interval]:
    """Return the score of one group minus that of another, and its 95 % interval.

    Where units belong to both groups, as sentences do that both speakers say, each is left out of
    both at once. Else the groups are independent samples: the jackknife variances v of both add up,

        difference ± t(f, 97.5 %) sqrt(v_1 + v_2),  f = (v_1 + v_2)^2 / sum_g v_g^2 / (n_g - 1).

    Args:
        grouped: Sums of all groups.
        first: Number of one group.
        second: Number of the other.
        score: Of the sums.
        kind: What a unit is, for the reason why there is no interval.

    Source: Tukey 1958 (jackknife), Welch 1947 (degrees of freedom).
    """
    totals, cells, units = [], [], []
    for place in (first, second):
        own = (grouped.group == place) & (
            np.abs(grouped.sums).reshape(len(grouped.sums), -1).sum(axis=1) > 0
        )
        cells.append(grouped.sums[own])
        units.append(grouped.unit[own])
        totals.append(cells[-1].sum(axis=0))
    values = [float(score(total).mean(axis=-1)) for total in totals]
    difference = values[0] - values[1]
    if np.intersect1d(*units).size:
        return difference, _of_shared_units(grouped, totals, cells, units, difference, score, kind)
    fewest = min(map(len, units))
    if fewest < MIN_UNITS:
        return difference, Interval.none(f"fewer than {MIN_UNITS} {kind}s in a group", fewest)
    without = [score(total - own).mean(axis=-1) for total, own in zip(totals, cells, strict=True)]
    variances = [
        (len(own) - 1) / len(own) * float(((own - own.mean()) ** 2).sum()) for own in without
    ]
    whole = sum(variances)
    if whole <= 0:
        return difference, Interval(difference, difference, sum(map(len, units)))
    parts = sum(v**2 / (len(own) - 1) for v, own in zip(variances, without, strict=True))
    reach = reach_of_t(whole**2 / parts, LEVEL) * math.sqrt(whole)
    return difference, Interval(difference - reach, difference + reach, sum(map(len, units)))


def _of_shared_units(
    grouped: GroupedSums,
    totals: Sequence[np.ndarray],
    cells: Sequence[np.ndarray],
    units: Sequence[np.ndarray],
    difference: float,
    score: Score,
    kind: str,
) -> Interval:
    """Leave each unit out of both groups at once."""
    names = np.union1d(*units)
    without = []
    for total, own, of in zip(totals, cells, units, strict=True):
        sums = np.zeros((len(names), *total.shape))
        np.add.at(sums, np.searchsorted(names, of), own)
        without.append(score(total - sums).mean(axis=-1))
    interval = jackknife(
        difference, without[0] - without[1], scale="difference", num_observations=grouped.num_test
    )
    if interval.missing:
        return Interval.none(f"fewer than {MIN_UNITS} {kind}s", interval.num_units)
    return interval


def _scores(
    systems: Sequence[GroupedSums], rows: Int64[np.ndarray, "arrangements cells"], score: Score
) -> Iterator[np.ndarray]:
    """Yield the scores, [systems, arrangements, groups], of some rows after the other."""
    for start, after in _chunks(systems, len(rows)):
        yield np.stack([_scores_of_rows(one, rows[start:after], score) for one in systems])


def _chunks(systems: Sequence[GroupedSums], num_rows: int) -> Iterator[tuple[int, int]]:
    """Yield first and last row of as many as are in memory at once."""
    widest = max(one.num_groups * math.prod(one.sums.shape[1:]) for one in systems)
    longest = max(int(np.count_nonzero(one.sums)) for one in systems)
    most = max(1, _CHUNK // max(widest, longest))
    for start in range(0, num_rows, most):
        yield start, min(start + most, num_rows)


def _scores_of_rows(
    grouped: GroupedSums, rows: Int64[np.ndarray, "arrangements cells"], score: Score
) -> np.ndarray:
    """Return the scores, [arrangements, groups]: numbers other than 0 are added up by group."""
    flat = grouped.sums.reshape(len(grouped.sums), -1)
    cells, columns = np.nonzero(flat)
    values, width = flat[cells, columns], flat.shape[1]
    places = rows.take(cells, axis=1)
    places += grouped.num_groups * np.arange(len(rows))[:, None]
    places *= width
    places += columns
    weights = None if (values == 1).all() else np.tile(values, len(rows))
    size = len(rows) * grouped.num_groups * width
    totals = np.bincount(places.ravel(), weights, minlength=size).astype(np.float64, copy=False)
    scores = score(totals.reshape(len(rows), grouped.num_groups, *grouped.sums.shape[1:]))
    return np.asarray(scores.mean(axis=-1))


def _num_orders(labels: Int64[np.ndarray, " cells"]) -> int:
    """Count the distinct orders of some labels."""
    counts = np.unique(labels, return_counts=True)[1].tolist()
    return math.factorial(len(labels)) // math.prod(map(math.factorial, counts))


def _orders(labels: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the distinct orders of some labels."""
    if not labels:
        yield ()
    for one in sorted(set(labels)):
        place = labels.index(one)
        for rest in _orders(labels[:place] + labels[place + 1 :]):
            yield (one, *rest)


def _same_partition(rows: Int64[np.ndarray, "arrangements cells"]) -> np.ndarray:
    """Return which rows put the same cells together as the first does, under whatever names."""
    first = rows[0]
    names = [np.flatnonzero(first == one) for one in np.unique(first)]
    same = np.ones(len(rows), dtype=bool)
    for own in names:
        same &= (rows[:, own] == rows[:, own[:1]]).all(axis=1)
    heads = np.array([own[0] for own in names])
    distinct = [len(set(row)) == len(names) for row in rows[:, heads].tolist()]
    return np.asarray(same & np.asarray(distinct))
