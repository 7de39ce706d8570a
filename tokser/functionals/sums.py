"""Sums over rows of a table, from which those of larger parts follow: each row is read once."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64, Num

__all__ = ["Sums", "SumsOfParts", "blocks"]

_AT_ONCE = 64
"""Rows that are widened to float64: they stay in the cache, and no whole copy is made."""
_LARGEST_SHARE = 0.25
"""Of groups by rows, beyond which sums by group save nothing."""


class Sums(NamedTuple):
    """What means and standard deviations of some rows are made of.

    Attributes:
        num_rows: How many they are.
        mean: [features].
        squares: Sums of squared deviations from the mean, [features].
        rounding: Sums of squares of what rounding may have moved, [features].
    """

    num_rows: int
    mean: Float64[np.ndarray, " features"]
    squares: Float64[np.ndarray, " features"]
    rounding: Float64[np.ndarray, " features"]

    @property
    def rounding_size(self) -> Float64[np.ndarray, " features"]:
        """Root mean square of what rounding may have moved."""
        return np.asarray(np.sqrt(self.rounding / self.num_rows))

    @classmethod
    def over(
        cls,
        values: Num[np.ndarray, "rows features"],
        rounding: Num[np.ndarray, "rows features"] | None = None,
    ) -> "Sums":
        """Sum over all rows of a table.

        Args:
            values: Functionals.
            rounding: How far rounding may have moved each of them; none: 0.
        """
        width = values.shape[1]
        mean, squares, moved = (np.zeros(width) for _ in range(3))
        for part in blocks(len(values)):
            mean += values[part].sum(axis=0, dtype=np.float64)
        mean /= len(values)
        for part in blocks(len(values)):
            squares += np.square(values[part] - mean).sum(axis=0)
            if rounding is not None:
                moved += np.square(rounding[part].astype(np.float64)).sum(axis=0)
        return cls(len(values), mean, squares, moved)

    @classmethod
    def together(cls, groups: Sequence["Sums"]) -> "Sums":
        """Return the sums of the rows of all groups.

        Source: Chan, Golub, LeVeque 1983, the pairwise update, for many groups at once.
        """
        counts = np.array([own.num_rows for own in groups], dtype=np.float64)
        num_rows = sum(own.num_rows for own in groups)
        means = np.stack([own.mean for own in groups])
        mean = counts @ means / num_rows
        squares = sum(own.squares for own in groups) + counts @ np.square(means - mean)
        return cls(num_rows, mean, squares, np.sum([own.rounding for own in groups], axis=0))


class SumsOfParts:
    """Sums of parts of one table, as folds have them: rows that no part separates are summed once.

    Args:
        values: Functionals.
        rounding: See `Sums.over`.
        parts: Rows of each part, none twice.
    """

    def __init__(
        self,
        values: Num[np.ndarray, "rows features"],
        rounding: Num[np.ndarray, "rows features"] | None,
        parts: Sequence[np.ndarray],
    ) -> None:
        self._values, self._rounding, self._parts = values, rounding, parts
        self._group = _groups(len(values), parts)
        num_groups = int(self._group.max(initial=-1)) + 1
        self._by_group: list[Sums] | None = None
        if num_groups <= _LARGEST_SHARE * len(values):
            members = [np.flatnonzero(self._group == number) for number in range(num_groups)]
            self._by_group = [self._over(rows) for rows in members]

    def of(self, number: int) -> Sums:
        """Return the sums of a part."""
        rows = self._parts[number]
        if self._by_group is None:
            return self._over(rows)
        return Sums.together([self._by_group[group] for group in np.unique(self._group[rows])])

    def _over(self, rows: np.ndarray) -> Sums:
        errors = None if self._rounding is None else self._rounding[rows]
        return Sums.over(self._values[rows], errors)


def blocks(num_rows: int) -> Iterator[slice]:
    """Yield rows in blocks that stay in the cache in float64."""
    for first in range(0, num_rows, _AT_ONCE):
        yield slice(first, first + _AT_ONCE)


def _groups(num_rows: int, parts: Sequence[np.ndarray]) -> Int64[np.ndarray, " rows"]:
    """Number the groups of rows that are in the same parts; rows in none have -1."""
    is_used = np.zeros(num_rows, dtype=bool)
    for rows in parts:
        is_used[rows] = True
    group, largest = np.zeros(num_rows, dtype=np.int64), 1
    for rows in parts:
        if largest > 2**61:
            group = np.unique(group, return_inverse=True)[1].astype(np.int64)
            largest = int(group.max(initial=0)) + 1
        group *= 2
        group[rows] += 1
        largest *= 2
    found = np.full(num_rows, -1, dtype=np.int64)
    found[is_used] = np.unique(group[is_used], return_inverse=True)[1]
    return found
