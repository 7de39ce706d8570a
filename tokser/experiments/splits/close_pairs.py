"""Pairs of unit vectors whose cosine is at least a threshold, among all pairs of a million.

How it works: on principal axes most of a vector's length lies on the first few. With a_1 a vector's
part on these and |a_2| the length of the rest, a.b <= a_1.b_1 + |a_2| |b_2|, which is a product of
few columns. Blocks of this bound are computed; only pairs whose bound reaches what is looked for
are computed in full. So nothing is missed, and most pairs cost a fraction of their width.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tokser.experiments.heads.fold_threads import num_blas_threads

__all__ = ["ClosePairs", "find_close_pairs"]

_SAMPLE = 4_096
"""Vectors by which axes are found; any axes give the same pairs, good ones sooner."""
_LEAST_WIDTH = 128
"""Vectors that are narrower are compared in full: the bound would save nothing."""
_FEWEST = 2_048
"""Fewer vectors are compared in full: that takes less time than to find axes."""
_SHARE = 0.6
"""Largest share of the axes that the bound may take, or it saves nothing either."""
_SPREADS_ABOVE = 3.0
"""By how many spreads of the cosines the rest of a vector stays below what is looked for."""
_FEW = 0.02
"""Share of a block's pairs up to which they are computed one by one."""
_ROUNDING = 1e-5
"""What a bound in float32 may lack."""
_AT_ONCE = 4_096
"""Pairs whose vectors are copied side by side at once."""


_Pairs: TypeAlias = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]
_NONE: _Pairs = (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))


@dataclass(frozen=True)
class ClosePairs:
    """Pairs of one block of vectors with another.

    Attributes:
        first: Positions [pairs].
        second: Positions [pairs], larger than `first`.
        cosines: [pairs], float32.
        nearest_below: The largest cosine below the threshold so far.
        num_rows: Vectors that have now been compared with all others.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    cosines: NDArray[np.float32]
    nearest_below: float
    num_rows: int


def find_close_pairs(
    units: Float32[np.ndarray, "vectors dim"],
    least: float,
    *,
    spread: float,
    nearest_below: float = -1.0,
    block: int = 512,
) -> Iterator[ClosePairs]:
    """Find the pairs whose cosine is at least a threshold, and the largest cosine below it.

    Args:
        units: Vectors of length 1, or 0.
        least: The threshold.
        spread: Standard deviation of the cosines of pairs: it decides how many axes the bound has.
        nearest_below: The cosine of some pair below the threshold, if one is known.
        block: Vectors that are compared at once.

    Yields:
        The pairs of one block of vectors with another, one after the other: who has enough of
        them can stop.
    """
    bounding = _bounding(units, least, spread)
    nearest, num_threads = nearest_below, num_blas_threads()
    # Products of a block gain nothing from several threads, and blocks do not share anything.
    with threadpool_limits(1), _ending(ThreadPoolExecutor(num_threads)) as pool:
        for top in range(0, len(units), block):
            floor, lefts = nearest - _ROUNDING, range(top, len(units), block)
            compare = partial(_compare, units, bounding, floor, block, top)
            for left, pairs in zip(lefts, pool.map(compare, lefts), strict=True):
                first, second, cosines = pairs
                found = cosines >= least
                nearest = max(nearest, float(cosines[~found].max(initial=-1.0)))
                num_rows = min(block, len(units) - top) if left == lefts[-1] else 0
                yield ClosePairs(first[found], second[found], cosines[found], nearest, num_rows)


def _compare(
    units: Float32[np.ndarray, "vectors dim"],
    bounding: Float32[np.ndarray, "vectors columns"],
    floor: float,
    block: int,
    top: int,
    left: int,
) -> _Pairs:
    """Return the pairs of two blocks whose bound reaches a floor, with their cosines."""
    bounds = bounding[top : top + block] @ bounding[left : left + block].T
    if left == top:
        bounds[np.tril_indices(len(bounds))] = -2.0
    if bounds.max() < floor:
        return _NONE
    return _computed(units, bounds, (top, left), floor, is_exact=bounding is units)


@contextmanager
def _ending(pool: ThreadPoolExecutor) -> Iterator[ThreadPoolExecutor]:
    """End a pool with its block, without what has not begun."""
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _bounding(
    units: Float32[np.ndarray, "vectors dim"], least: float, spread: float
) -> Float32[np.ndarray, "vectors columns"]:
    """Return vectors whose products are at least the cosines: few columns, or the vectors."""
    width = units.shape[1]
    if width < _LEAST_WIDTH or len(units) < _FEWEST:
        return units
    some = units[:: max(1, len(units) // _SAMPLE)].astype(np.float64)
    energy, axes = np.linalg.eigh(some.T @ some / len(some))
    energy, axes = energy[::-1], axes[:, ::-1]
    rest = 1 - np.cumsum(energy) / max(energy.sum(), 1e-30)
    columns = int(np.searchsorted(-rest, -max(least - _SPREADS_ABOVE * spread, 0.0))) + 1
    if columns + 1 > _SHARE * width:
        return units
    bounding = np.empty((len(units), columns + 1), dtype=np.float32)
    np.matmul(units, axes[:, :columns].astype(np.float32), out=bounding[:, :columns])
    squares = np.einsum("vd,vd->v", units, units)
    squares -= np.einsum("vc,vc->v", bounding[:, :columns], bounding[:, :columns])
    bounding[:, columns] = np.sqrt(np.maximum(squares, 0) + _ROUNDING)
    return bounding


def _computed(
    units: Float32[np.ndarray, "vectors dim"],
    bounds: Float32[np.ndarray, "top left"],
    corner: tuple[int, int],
    floor: float,
    *,
    is_exact: bool,
) -> _Pairs:
    """Return the cosines of the pairs of a block whose bound reaches a floor."""
    num_rows, num_columns = bounds.shape
    places = np.flatnonzero(bounds >= floor)
    one, other = (place.astype(np.int32) for place in np.divmod(places, num_columns))
    rows = units[corner[0] : corner[0] + num_rows]
    columns = units[corner[1] : corner[1] + num_columns]
    if is_exact:
        cosines = bounds.ravel()[places]
    elif len(places) > _FEW * bounds.size:
        cosines = (rows @ columns.T).ravel()[places]
    else:
        cosines = np.empty(len(places), dtype=np.float32)
        for first in range(0, len(places), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            np.einsum("pd,pd->p", rows[one[part]], columns[other[part]], out=cosines[part])
    return one + np.int32(corner[0]), other + np.int32(corner[1]), cosines
