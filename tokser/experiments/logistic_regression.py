"""Multinomial logistic regression with an L2 penalty, to its minimum: Newton's method in rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64, Int
from scipy.linalg import lapack

from tokser.progress import warn

__all__ = ["TOLERANCE", "Coefficients", "LogisticRows"]

TOLERANCE = 3e-5
"""How far logits of training rows may still be from the optimum, as far as the solver can tell.

A logit that is off by as much moves no probability by more than half of it. Probabilities of other
rows are then within 1e-4 of the optimum (functionals of Whisper, and 162 planted problems of 45 to
300 rows; scikit-learn's default, 1e-4 of a gradient, leaves some of them 0.15 away).
"""
_MOST_STEPS = 100
_MOST_PRODUCTS = 200
"""Of a step: conjugate gradients have as many products with the rows at most."""
_ACCURACY = 0.3
"""Of the first steps, relative; later ones are as accurate as their length allows."""
_NEAR = 4.0
"""After a step that changes logits by less, rows in doubt are few enough for a preconditioner."""
_EXACT = 0.1
"""After a step that changes logits by less, they are computed once again in float64."""
_LEAST_CURVATURE = 1e-6
"""Of a row, where what intercepts cost a preconditioner is taken from it."""
_SHARE = 0.3
"""Directions that a preconditioner has, as a share of the rows."""
_MOST_DIRECTIONS = 1_000
"""That a preconditioner has."""


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
        if not np.isfinite(values).all():
            raise ValueError("finite values are needed, got NaN or infinity")
        self._mean = values.mean(axis=0, dtype=np.float64)
        self._rows = (values - self._mean).astype(np.float32)
        self._gram = _Gram(self._rows)

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
        sought = _Descent(self._gram, shares, ridge)
        steps = sought.run(tolerance)
        weights = sought.found @ self._rows.astype(np.float64)
        return Coefficients(weights, sought.intercepts[:, 0] - weights @ self._mean, steps)


class _Gram:
    """Products with G = X X' of rows X, in float32."""

    def __init__(self, rows: Float32[np.ndarray, "rows features"]) -> None:
        self._rows = rows
        is_small = rows.shape[0] <= 2 * rows.shape[1]
        self._whole = rows @ rows.T if is_small else None
        self.diagonal = np.einsum("rf,rf->r", rows, rows)

    def times(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors G, [classes, rows]."""
        if self._whole is None:
            return np.asarray((vectors @ self._rows) @ self._rows.T)
        return np.asarray(vectors @ self._whole)

    def exactly(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors G in float64."""
        wide = self._rows.astype(np.float64)
        return np.asarray((vectors @ wide) @ wide.T)

    def among(self, places: np.ndarray) -> np.ndarray:
        """Return the part of G between some rows, of which there may be the same several times."""
        if self._whole is None:
            some, back = np.unique(places, return_inverse=True)
            return np.asarray((self._rows[some] @ self._rows[some].T)[np.ix_(back, back)])
        return np.asarray(self._whole[np.ix_(places, places)])


class _Vector(NamedTuple):
    """Coefficients or a gradient by them: a [classes, rows], b [classes, 1], and a G.

    The scalar product of a gradient and a step is <a, a' G> + <b, b'>.
    """

    rows: np.ndarray
    intercepts: np.ndarray
    products: np.ndarray

    def plus(self, factor: float, other: "_Vector") -> "_Vector":
        """Return the sum of this and a multiple of another."""
        return _Vector(*(own + factor * more for own, more in zip(self, other, strict=True)))

    def dot(self, step: "_Vector") -> float:
        """Return the scalar product of this gradient and a step."""
        own = np.vdot(self.rows, step.products) + np.vdot(self.intercepts, step.intercepts)
        return float(own)

    @property
    def logits(self) -> np.ndarray:
        """How this step changes the logits."""
        return np.asarray(self.products + self.intercepts)


class _Curvature:
    """The second derivative of the loss by the logits: of row i, s_i (diag(p_i) - p_i p_i').

    It is L L' with L = sqrt(s_i) (diag(sqrt(p_i)) - p_i sqrt(p_i)'), one column a class.
    """

    def __init__(self, shares: np.ndarray, importance: np.ndarray) -> None:
        self._shares = shares.astype(np.float32)
        self._scaled = self._shares * importance.astype(np.float32)
        self._roots = np.sqrt(self._scaled)
        squares = np.square(self._shares).sum(axis=0)
        self.norms = self._scaled * (1 - 2 * self._shares + squares)
        """Squared norms of the columns of L, [classes, rows]."""

    def times(self, logits: np.ndarray) -> np.ndarray:
        """Return L L' times a change of the logits."""
        return np.asarray(self._scaled * (logits - (self._shares * logits).sum(axis=0)))

    def combined(self, factors: np.ndarray) -> np.ndarray:
        """Return L times factors of its columns."""
        scaled = self._roots * factors
        return np.asarray(scaled - self._shares * scaled.sum(axis=0))

    def projected(self, logits: np.ndarray) -> np.ndarray:
        """Return L' times a change of the logits."""
        return np.asarray(self._roots * (logits - (self._shares * logits).sum(axis=0)))

    def columns(self, classes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return some columns of L, [columns, classes]."""
        found = -self._shares.T[rows]
        found[np.arange(len(rows)), classes] += 1
        return np.asarray(found * self._roots[classes, rows][:, None])


_Preconditioner = Callable[[_Vector], _Vector]


def _plain(ridge: float, intercept: float) -> _Preconditioner:
    """Return the inverse of the penalty alone, with a penalty on intercepts, too.

    Args:
        ridge: The penalty.
        intercept: Its quotient by that on intercepts.
    """
    one = np.float32(1 / ridge)

    def inverse(slope: _Vector) -> _Vector:
        rows, intercepts, products = slope
        return _Vector(one * rows, np.float32(intercept) * one * intercepts, one * products)

    return inverse


def _leading(
    gram: _Gram, curvature: _Curvature, ridge: float, intercept: float
) -> _Preconditioner | None:
    """Return the inverse of the penalty and the leading columns of the curvature, by Woodbury.

    Near the optimum few rows are in doubt, and most of these between two classes: few columns of L
    have most of the curvature. With X extended by the intercept, K = G + c and M the columns,
    (ridge + X' M M' X)^-1 = (1 - X' M (ridge + M' K M)^-1 M' X) / ridge.

    Args:
        gram: Of the rows.
        curvature: At the present coefficients.
        ridge: The penalty.
        intercept: c, its quotient by that on intercepts.

    Returns:
        None if rounding leaves no inverse.
    """
    influence = curvature.norms * (gram.diagonal + np.float32(intercept))
    size = min(max(int(_SHARE * influence.shape[1]), 1), _MOST_DIRECTIONS)
    places = np.sort(np.argpartition(influence, -size, axis=None)[-size:])
    classes, rows = np.unravel_index(places, influence.shape)
    columns = curvature.columns(classes, rows)
    inner = gram.among(rows)
    inner += np.float32(intercept)
    inner *= columns @ columns.T
    rounding = np.finfo(np.float32).eps * float(np.trace(inner))
    inner.flat[:: size + 1] += ridge + rounding
    factor, failed = lapack.spotrf(inner.T, lower=0, overwrite_a=1, clean=0)
    if failed:
        return None
    plain = _plain(ridge, intercept)

    def inverse(slope: _Vector) -> _Vector:
        seen = curvature.projected(slope.products + np.float32(intercept) * slope.intercepts)
        factors = np.zeros_like(seen)
        factors[classes, rows] = lapack.spotrs(factor, seen[classes, rows], lower=0)[0]
        taken = curvature.combined(factors)
        sums = taken.sum(axis=1, keepdims=True)
        return plain(slope.plus(-1.0, _Vector(taken, sums, gram.times(taken))))

    return inverse


class _Descent:
    """The way from zero to the optimum."""

    def __init__(self, gram: _Gram, shares: np.ndarray, ridge: float) -> None:
        self._gram, self._target, self._ridge = gram, shares, ridge
        self._importance = shares.sum(axis=0)
        self._logits = np.zeros_like(shares)
        self._shares = _softmax(self._logits)
        self.found = np.zeros_like(shares)
        self._products = np.zeros_like(shares)
        self.intercepts = np.zeros((len(shares), 1))

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
            # What is left after such a step, of one that would be solved exactly, or of the next.
            if is_exact and change * max(accuracy, min(change, 1)) <= tolerance:
                return number + 1
            if change < _EXACT and not is_exact:
                self._products = self._gram.exactly(self.found)
                self._logits = self._products + self.intercepts
                self._shares, is_exact = _softmax(self._logits), True
        warn(
            f"logistic regression of {self._logits.shape[1]} rows: a step still changes logits by "
            f"{change:.1g} after {_MOST_STEPS} steps"
        )
        return _MOST_STEPS

    def _step(self, accuracy: float, *, is_near: bool) -> _Vector:
        """Return the step of Newton's method, by conjugate gradients in float32."""
        curvature = _Curvature(self._shares, self._importance)
        residuals = self._target - self._importance * self._shares
        left = residuals - self._ridge * self.found
        sums = residuals.sum(axis=1, keepdims=True)
        rows = left.astype(np.float32)
        slope = _Vector(rows, sums.astype(np.float32), self._gram.times(rows))
        inverse = self._preconditioner(curvature, is_near=is_near)
        ridge = np.float32(self._ridge)
        step = _Vector(*(np.zeros_like(own) for own in slope))
        direction = inverse(slope)
        energy = first = slope.dot(direction)
        for _ in range(_MOST_PRODUCTS):
            logits = direction.logits
            bent = curvature.times(logits)
            bend = float(np.vdot(bent, logits))
            bend += float(ridge * np.vdot(direction.rows, direction.products))
            if not (energy > 0 and bend > 0):  # rounding is all that is left
                break
            length = energy / bend
            step = step.plus(length, direction)
            change = _Vector(
                bent + ridge * direction.rows,
                bent.sum(axis=1, keepdims=True),
                self._gram.times(bent) + ridge * direction.products,
            )
            slope = slope.plus(-length, change)
            scaled = inverse(slope)
            before, energy = energy, slope.dot(scaled)
            if energy <= accuracy**2 * first:
                break
            direction = scaled.plus(energy / before, direction)
        return step

    def _preconditioner(self, curvature: _Curvature, *, is_near: bool) -> _Preconditioner:
        mean = max(float(curvature.norms.mean()), _LEAST_CURVATURE)
        intercept = self._ridge / mean + float(self._gram.diagonal.mean())
        found = _leading(self._gram, curvature, self._ridge, intercept) if is_near else None
        return found or _plain(self._ridge, intercept / self._logits.shape[1])

    def _length(self, step: _Vector) -> tuple[float, np.ndarray]:
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
