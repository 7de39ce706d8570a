"""How far two features of the same utterances lie apart: by row, as a whole, and once pooled."""

import numpy as np
from jaxtyping import Num
from numpy.typing import NDArray

from tokser.functionals.moments import mean_std

__all__ = ["Distances"]

_BINS = 20_000
"""Cosines from -1 to 1 are counted in so many bins, for their percentiles."""


class Distances:
    """Sums over pairs of utterances; takes the same memory for any number of them."""

    def __init__(self, dim: int) -> None:
        self.num_utterances = self.num_rows = 0
        self._cosines = np.zeros(_BINS, dtype=np.int64)
        self._sum_of_cosines = self._squared_distance = self._squared_norm = 0.0
        # Of the functionals' difference, of the first's functionals, and of their sum.
        self._moments = np.zeros((3, 2 * dim), dtype=np.float64)

    def add(self, first: Num[np.ndarray, "rows dim"], second: Num[np.ndarray, "rows dim"]) -> None:
        """Take in one utterance, at least one row of it."""
        a, b = first.astype(np.float64), second.astype(np.float64)
        cosines = _cosines(a, b)
        places = np.clip(((cosines + 1) / 2 * _BINS).astype(np.int64), 0, _BINS - 1)
        self._cosines += np.bincount(places, minlength=_BINS)
        self._sum_of_cosines += float(cosines.sum())
        self._squared_distance += float(np.square(a - b).sum())
        self._squared_norm += float(np.square(a).sum())
        pooled, other = (mean_std(rows).astype(np.float64) for rows in (first, second))
        self._moments += [np.square(other - pooled), np.square(pooled), pooled]
        self.num_utterances += 1
        self.num_rows += len(a)

    @property
    def cosine(self) -> float:
        """Mean over rows of a.b / (|a| |b|); of two rows of zeros 1, of one 0."""
        return self._sum_of_cosines / self.num_rows

    def cosine_percentile(self, percent: int) -> float:
        """Cosine that `percent` of the rows stay below, to 1e-4."""
        below = np.searchsorted(np.cumsum(self._cosines), percent / 100 * self.num_rows)
        return 2 * (float(below) + 0.5) / _BINS - 1

    @property
    def relative_l2(self) -> float:
        """|a - b| / |a| over all rows together."""
        return float(np.sqrt(self._squared_distance / self._squared_norm))

    @property
    def relative_l2_of_means(self) -> float:
        """|a - b| / |a| of the mean halves of all functionals together."""
        return self._relative_l2_of_half(0)

    @property
    def relative_l2_of_stds(self) -> float:
        """|a - b| / |a| of the standard deviation halves of all functionals together."""
        return self._relative_l2_of_half(1)

    @property
    def functionals_shift(self) -> float:
        """How far a functional moves, in standard deviations over the utterances of the first.

        Root of the mean, over functionals that vary, of their mean squared difference over their
        variance; a classifier on standardised functionals sees this. NaN if none varies.
        """
        number = self.num_utterances
        squared_shift, squares, sums = self._moments
        variance = squares / number - np.square(sums / number)
        # What is left of a constant after rounding is no variance.
        varies = variance > 1e-9 * squares / number
        if not varies.any():
            return float("nan")
        ratios = squared_shift[varies] / number / variance[varies]
        return float(np.sqrt(ratios.mean()))

    def _relative_l2_of_half(self, half: int) -> float:
        dim = self._moments.shape[1] // 2
        squared_shift, squares, _ = self._moments[:, half * dim : (half + 1) * dim].sum(axis=1)
        return float(np.sqrt(squared_shift / squares)) if squares else float("nan")


def _cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    both = sizes[0] * sizes[1]
    products = np.einsum("rd,rd->r", a, b)
    neither = ((sizes[0] == 0) & (sizes[1] == 0)).astype(np.float64)
    found: NDArray[np.float64] = np.where(
        both > 0, products / np.where(both > 0, both, 1.0), neither
    )
    return found
