"""Products with the matrix of scalar products of rows."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float64, Int

__all__ = ["Gram", "SomeRows"]

_ALIGNED = 4
"""Products of so many vectors at once, or a multiple, are nearly twice as fast as of one less."""
_AT_ONCE = 64
"""Rows that are widened to float64."""


class Gram:
    """Products with G = X X' of rows X, as accurate as these.

    Args:
        rows: X.
    """

    def __init__(self, rows: Float[np.ndarray, "rows features"]) -> None:
        self._rows = rows
        is_small = rows.shape[0] <= 2 * rows.shape[1]
        self._whole = rows @ rows.T if is_small else None
        self.diagonal = np.einsum("rf,rf->r", rows, rows)
        self.dtype = rows.dtype

    def times(
        self, vectors: Float[np.ndarray, "classes rows"]
    ) -> Float[np.ndarray, "classes rows"]:
        """Return vectors G."""
        aligned = _aligned(vectors)
        if self._whole is None:
            found = (aligned @ self._rows) @ self._rows.T
        else:
            found = aligned @ self._whole
        return np.asarray(found[: len(vectors)])

    def combined(
        self, vectors: Float64[np.ndarray, "classes rows"]
    ) -> Float64[np.ndarray, "classes features"]:
        """Return vectors X in float64."""
        found = np.zeros((len(vectors), self._rows.shape[1]))
        for part, wide in self._widened():
            found += vectors[:, part] @ wide
        return found

    def projected(
        self, weights: Float64[np.ndarray, "classes features"]
    ) -> Float64[np.ndarray, "classes rows"]:
        """Return weights X' in float64."""
        return np.concatenate([weights @ wide.T for _, wide in self._widened()], axis=1)

    def _widened(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield rows in float64, so many at once as a cache holds: a whole copy is slower."""
        for first in range(0, len(self._rows), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            yield part, self._rows[part].astype(np.float64, copy=False)

    def some(self, places: Int[np.ndarray, " some"]) -> "SomeRows":
        """Return some rows of G, each once."""
        if self._whole is None:
            return SomeRows(self._rows[places], self._rows, places)
        return SomeRows(self._whole[places], None, places)


class SomeRows:
    """Some rows of G, copied next to each other, or as products of two matrices.

    Args:
        left: Rows of G, or of X.
        right: None, or X.
        places: Which rows they are.
    """

    def __init__(
        self,
        left: Float[np.ndarray, "some inner"],
        right: Float[np.ndarray, "rows inner"] | None,
        places: Int[np.ndarray, " some"],
    ) -> None:
        self._left, self._right, self._places = left, right, places

    def times(
        self, vectors: Float[np.ndarray, "classes some"]
    ) -> Float[np.ndarray, "classes rows"]:
        """Return vectors, which are 0 at all other rows, times G."""
        found = _aligned(vectors) @ self._left
        if self._right is not None:
            found = found @ self._right.T
        return np.asarray(found[: len(vectors)])

    def among(self, places: Int[np.ndarray, " more"]) -> Float[np.ndarray, "more more"]:
        """Return the part of G between some of these rows, which may occur several times."""
        if self._right is None:
            own = self._left.take(self._places, axis=1)
        else:
            own = self._left @ self._left.T
        return np.asarray(own.take(places, axis=0).take(places, axis=1))


def _aligned(vectors: np.ndarray) -> np.ndarray:
    """Return vectors and as many of 0 as fill a block of them."""
    missing = -len(vectors) % _ALIGNED
    if not missing:
        return vectors
    found = np.zeros((len(vectors) + missing, vectors.shape[1]), dtype=vectors.dtype)
    found[: len(vectors)] = vectors
    return found
