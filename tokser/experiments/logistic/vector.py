"""Coefficients in rows, a step of them, or a gradient."""

import numpy as np
from jaxtyping import Float

__all__ = ["Vector"]


class Vector:
    """a [classes, rows], b [classes, 1] for intercepts, and a G.

    Args:
        both: a and a G, [2, classes, rows].
        intercepts: b.
    """

    __slots__ = ("both", "intercepts")

    def __init__(
        self,
        both: Float[np.ndarray, "2 classes rows"],
        intercepts: Float[np.ndarray, "classes 1"],
    ) -> None:
        self.both, self.intercepts = both, intercepts

    @property
    def rows(self) -> Float[np.ndarray, "classes rows"]:
        """A."""
        return np.asarray(self.both[0])

    @property
    def products(self) -> Float[np.ndarray, "classes rows"]:
        """A G."""
        return np.asarray(self.both[1])

    @property
    def logits(self) -> Float[np.ndarray, "classes rows"]:
        """How this step changes the logits."""
        return np.asarray(self.both[1] + self.intercepts)

    def add(self, factor: float, other: "Vector") -> None:
        """Add a multiple of another to this."""
        self.both += factor * other.both
        self.intercepts += factor * other.intercepts

    def scale(self, factor: float) -> None:
        """Multiply this."""
        self.both *= factor
        self.intercepts *= factor

    def dot(self, step: "Vector") -> float:
        """Return the scalar product of this gradient and a step, <a, a' G> + <b, b'>."""
        own = np.vdot(self.both[0], step.both[1]) + np.vdot(self.intercepts, step.intercepts)
        return float(own)
