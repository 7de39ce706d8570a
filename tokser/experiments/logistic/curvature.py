"""The second derivative of the loss of multinomial logistic regression by the logits."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

__all__ = ["Curvature"]


class Curvature:
    """Of row i: s_i (diag(p_i) - p_i p_i').

    It is L L' with L = sqrt(s_i) (diag(sqrt(p_i)) - p_i sqrt(p_i)'), one column a class.

    Args:
        shares: p, probabilities.
        importance: s, of each row.
        dtype: In which it is computed.
    """

    def __init__(
        self,
        shares: Float[np.ndarray, "classes rows"],
        importance: Float[np.ndarray, " rows"],
        dtype: np.dtype[Any],
    ) -> None:
        self._shares = shares.astype(dtype)
        self._scaled = self._shares * importance.astype(dtype)
        self._roots = np.sqrt(self._scaled)

    def of(self, rows: Int[np.ndarray, " some"]) -> "Curvature":
        """Return the curvature of some rows."""
        found = object.__new__(Curvature)
        found._shares = self._shares.take(rows, axis=1)
        found._scaled = self._scaled.take(rows, axis=1)
        found._roots = self._roots.take(rows, axis=1)
        return found

    @property
    def norms(self) -> Float[np.ndarray, "classes rows"]:
        """Squared norms of the columns of L."""
        squares = np.einsum("cr,cr->r", self._shares, self._shares)
        return np.asarray(self._scaled * (1 - 2 * self._shares + squares))

    def times(self, logits: Float[np.ndarray, "classes rows"]) -> Float[np.ndarray, "classes rows"]:
        """Return L L' times a change of the logits."""
        return np.asarray(self._scaled * self._less_its_mean(logits))

    def combined(
        self, factors: Float[np.ndarray, "classes rows"]
    ) -> Float[np.ndarray, "classes rows"]:
        """Return L times factors of its columns."""
        scaled = self._roots * factors
        scaled -= self._shares * np.add.reduce(scaled, axis=0)
        return np.asarray(scaled)

    def projected(
        self, logits: Float[np.ndarray, "classes rows"]
    ) -> Float[np.ndarray, "classes rows"]:
        """Return L' times a change of the logits."""
        return np.asarray(self._roots * self._less_its_mean(logits))

    def columns(
        self, classes: Int[np.ndarray, " columns"], rows: Int[np.ndarray, " columns"]
    ) -> Float[np.ndarray, "columns classes"]:
        """Return some columns of L."""
        found = -self._shares.T[rows]
        found[np.arange(len(rows)), classes] += 1
        return np.asarray(found * self._roots[classes, rows][:, None])

    def _less_its_mean(self, logits: np.ndarray) -> np.ndarray:
        return np.asarray(logits - np.add.reduce(self._shares * logits, axis=0))
