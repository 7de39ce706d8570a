"""Multinomial logistic regression with an L2 penalty, to its minimum: Newton's method in rows."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int

from tokser.experiments.logistic.curvature import Curvature
from tokser.experiments.logistic.gram import Gram
from tokser.experiments.logistic.newton_step import newton_step
from tokser.experiments.logistic.preconditioner import Preconditioner, leading, plain
from tokser.experiments.logistic.vector import Vector
from tokser.progress import warn

__all__ = ["TOLERANCE", "Coefficients", "LogisticRows"]

TOLERANCE = 3e-5
"""How far logits of training rows may still be from the optimum, as far as the solver can tell.

A logit that is off by as much moves no probability by more than half of it. Probabilities of other
rows are then within 1e-4 of the optimum (functionals of Whisper, and 162 planted problems of 45 to
300 rows; scikit-learn's default, 1e-4 of a gradient, leaves some of them 0.15 away).
"""
_MOST_STEPS = 100
_ACCURACY = 0.3
"""Of the first steps, relative; later ones are as accurate as their length allows."""
_SAME = 0.2
"""While logits have changed by less in all, a preconditioner is kept."""
_NEAR = 2.0
"""After a step that changes logits by less, rows in doubt are few enough for a preconditioner."""
_EXACT = 0.1
"""After a step that changes logits by less, they are computed once again in float64."""
_LARGEST = 2e4
"""Squared norm of a row by the penalty, beyond which products are computed in float64."""
_LEAST_CURVATURE = 1e-6
"""Of a row, where what intercepts cost a preconditioner is taken from it."""


class Coefficients(NamedTuple):
    """What was fitted.

    Attributes:
        weights: [classes, features].
        intercepts: [classes].
        num_steps: Of the solver.
    """

    weights: Float64[np.ndarray, "classes features"]
    intercepts: Float64[np.ndarray, " classes"]
    num_steps: int


class LogisticRows:
    """Rows that models are fitted to, prepared once for several targets and penalties.

    A penalty on |w|^2 leaves nothing outside the span of the rows X: w = a X. So a, one number for
    each class and row, is sought, and X is needed for products with G = X X' alone.

    Args:
        values: Features of the training rows.

    Raises:
        ValueError: They are not finite.
    """

    def __init__(self, values: Float[np.ndarray, "rows features"]) -> None:
        self._mean = values.mean(axis=0, dtype=np.float64)
        if not np.isfinite(self._mean).all():
            raise ValueError("finite values are needed, got NaN or infinity")
        rows = np.empty(values.shape, dtype=np.float32)
        np.subtract(values, self._mean, out=rows, casting="same_kind")
        self._rows, self._gram = rows, Gram(rows)
        self._wide_gram: Gram | None = None

    def fit(
        self,
        target: Int[np.ndarray, " rows"],
        num_classes: int,
        *,
        penalty: float,
        importance: Float[np.ndarray, " rows"] | None = None,
        tolerance: float = TOLERANCE,
    ) -> Coefficients:
        """Fit rows of one class each.

        Args:
            target: Class of each row, 0 ... num_classes - 1.
            num_classes: Each of them occurs.
            penalty: C.
            importance: Of each row; none: 1.
            tolerance: See `TOLERANCE`.
        """
        shares = np.zeros((num_classes, len(target)))
        shares[target, np.arange(len(target))] = 1 if importance is None else importance
        return self.fit_shares(shares, penalty=penalty, tolerance=tolerance)

    def fit_shares(
        self,
        shares: Float64[np.ndarray, "classes rows"],
        *,
        penalty: float,
        tolerance: float = TOLERANCE,
    ) -> Coefficients:
        """Minimise sum_ci s_ci (-log p_ci) + |W|^2 / (2 C); of two classes + |w_1 - w_0|^2 / (2 C).

        p_i is softmax(W x_i + b), and b is not penalised: this is the objective of scikit-learn.
        Steps are those of Newton's method, each solved by conjugate gradients as accurately as it
        deserves, with an exact line search.

        Args:
            shares: s, how much each class counts in each row, 0 or more.
            penalty: C.
            tolerance: See `TOLERANCE`.

        Source: Dembo et al. 1982 (inexact Newton methods); Nocedal & Wright 2006, section 7.1.
        """
        # Opposite coefficients of two classes have half the squared norm of their difference.
        ridge = (2 if len(shares) == 2 else 1) / penalty
        gram = self._gram_for(ridge)
        sought = _Descent(gram, shares, ridge)
        steps = sought.run(tolerance)
        weights = gram.combined(sought.found)
        return Coefficients(weights, sought.intercepts[:, 0] - weights @ self._mean, steps)

    def _gram_for(self, ridge: float) -> Gram:
        """Return products in float32, or in float64 where rounding of float32 hides the penalty."""
        if self._gram.diagonal.max() <= _LARGEST * ridge:
            return self._gram
        if self._wide_gram is None:
            self._wide_gram = Gram(self._rows.astype(np.float64))
        return self._wide_gram


class _Descent:
    """The way from zero to the optimum."""

    def __init__(self, gram: Gram, shares: np.ndarray, ridge: float) -> None:
        self._gram, self._target, self._ridge = gram, shares, ridge
        self._importance = shares.sum(axis=0)
        self._logits = np.zeros_like(shares)
        self._shares = _softmax(self._logits)
        self.found = np.zeros_like(shares)
        self._products = np.zeros_like(shares)
        self.intercepts = np.zeros((len(shares), 1))
        self._kept: Preconditioner | None = None
        self._moved = 0.0
        """By how much logits changed since the preconditioner was made, at most."""

    def run(self, tolerance: float) -> int:
        """Go on until logits are as near to the optimum as is told; count the steps."""
        change, is_near, is_exact = np.inf, False, False
        for number in range(_MOST_STEPS):
            accuracy = min(_ACCURACY, float(np.sqrt(change)))
            is_near = is_near or change < _NEAR
            step = self._step(accuracy, is_near=is_near)
            length, self._shares = self._length(step)
            self.found += length * step.rows
            self._products += length * step.products
            self.intercepts += length * step.intercepts
            self._logits = self._products + self.intercepts
            change = length * float(np.abs(step.logits).max())
            self._moved += change
            # What is left after such a step, of one that would be solved exactly, or of the next.
            if is_exact and change * max(accuracy, min(change, 1)) <= tolerance:
                return number + 1
            if change < _EXACT and not is_exact:
                self._products = self._gram.projected(self._gram.combined(self.found))
                self._logits = self._products + self.intercepts
                self._shares, is_exact = _softmax(self._logits), True
        warn(
            f"logistic regression of {self._logits.shape[1]} rows: a step still changes logits by "
            f"{change:.1g} after {_MOST_STEPS} steps"
        )
        return _MOST_STEPS

    def _step(self, accuracy: float, *, is_near: bool) -> Vector:
        """Return the step of Newton's method."""
        curvature = Curvature(self._shares, self._importance, self._gram.dtype)
        residuals = self._target - self._importance * self._shares
        return newton_step(
            self._gram,
            curvature,
            residuals,
            self.found,
            ridge=self._ridge,
            inverse=self._preconditioner(curvature, is_near=is_near),
            accuracy=accuracy,
        )

    def _preconditioner(self, curvature: Curvature, *, is_near: bool) -> Preconditioner:
        if self._kept is not None and self._moved <= _SAME:
            return self._kept
        mean = max(float(curvature.norms.mean()), _LEAST_CURVATURE)
        intercept = self._ridge / mean + float(self._gram.diagonal.mean())
        self._kept, self._moved = None, 0.0
        if is_near:
            self._kept = leading(self._gram, curvature, self._ridge, intercept)
        return self._kept or plain(self._ridge, intercept / self._logits.shape[1])

    def _length(self, step: Vector) -> tuple[float, np.ndarray]:
        """Return how far to go, by Newton's method along the line, and the probabilities there."""
        towards, products = step.logits.astype(np.float64), step.products
        fixed = self._ridge * float(np.vdot(self.found, products))
        fixed -= float((self._target * towards).sum())
        bend = self._ridge * float(np.vdot(step.rows, products))
        length = 1.0
        for _ in range(8):
            shares = _softmax(self._logits + length * towards)
            first = shares * towards
            mean = first.sum(axis=0)
            slope = float(self._importance @ mean) + fixed + length * bend
            squares = np.einsum("cr,cr->r", first, towards) - mean**2
            more = -slope / max(float(self._importance @ squares) + bend, np.finfo(float).tiny)
            if abs(more) <= 0.2 * length:
                break
            length = min(max(length + more, 0.1 * length), 10 * length)
        else:
            shares = _softmax(self._logits + length * towards)
        return length, shares


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=0))
    raised /= raised.sum(axis=0)
    return np.asarray(raised)
