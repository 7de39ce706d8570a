"""Multinomial logistic regression with an L2 penalty: the solver of probes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.linalg import lapack
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

from tokser.progress import warn

__all__ = ["TOLERANCE", "Coefficients", "LogisticRows", "fit_estimator"]

TOLERANCE = 1e-4
"""Largest change of a logit of a training row in a step after which the solver stops.

Such a step moves no probability by more than half of it, not even of a row that is no longer in
doubt: those of other rows change with the logits. It leaves probabilities of other rows within 1e-4
of the optimum (functionals of Whisper; scikit-learn's default, 1e-4 of a gradient, leaves some of
them 0.15 away).
"""
_MOST_STEPS = 5_000
_MEMORY = 10
"""Steps that L-BFGS remembers."""
_CURVATURE_AT = (12, 24)
"""Steps before which the curvature of the rows is taken: it changes much at first, little later,
and costs as much as ten to twenty steps."""
_LEAST_WEIGHT = 1e-6
"""Of a row in the curvature; one that is predicted with certainty has none."""


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


class _Coordinates(ABC):
    """In what coefficients are expressed while they are sought, [classes, coordinates]."""

    size: int
    energy: float
    """Sum of the squares of all values."""

    @abstractmethod
    def gradient(self, residuals: np.ndarray) -> np.ndarray:
        """Return the gradient of the loss by its residuals, [classes, rows]."""

    @abstractmethod
    def dual(self, step: np.ndarray) -> np.ndarray:
        """Return what a gradient is multiplied by for its scalar product with a step."""

    @abstractmethod
    def logits(self, step: np.ndarray, dual: np.ndarray) -> np.ndarray:
        """Return how a step changes the logits, [classes, rows]."""

    @abstractmethod
    def newton(self, weights: np.ndarray, ridge: float) -> np.ndarray:
        """Return an inverse of the curvature, if row i had `weights[i]` for every class."""

    @abstractmethod
    def newton_step(self, inverse: np.ndarray, weights: np.ndarray, slope: np.ndarray) -> Any:
        """Return the inverse times a gradient."""

    @abstractmethod
    def weights(self, found: np.ndarray) -> np.ndarray:
        """Return the coefficients of the columns, [classes, features]."""


class _ByRow(_Coordinates):
    """A combination of the rows X, w = a X: where they are fewer than columns.

    A penalty on |w| leaves nothing outside the span of the rows. Gradients are combinations of
    rows, too, so a scalar product of both is a G b', with the Gram matrix G = X X'.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self._rows, self._gram = rows, rows @ rows.T
        self.size, self.energy = len(rows), float(np.vdot(rows, rows))

    def gradient(self, residuals: np.ndarray) -> np.ndarray:
        return residuals

    def dual(self, step: np.ndarray) -> np.ndarray:
        return np.asarray(step @ self._gram)

    def logits(self, step: np.ndarray, dual: np.ndarray) -> np.ndarray:
        return dual

    def newton(self, weights: np.ndarray, ridge: float) -> np.ndarray:
        root = np.sqrt(weights)
        return _inverse(self._gram * root * root[:, None], ridge)

    def newton_step(self, inverse: np.ndarray, weights: np.ndarray, slope: np.ndarray) -> Any:
        root = np.sqrt(weights)
        return ((slope / root).astype(np.float32) @ inverse) * root

    def weights(self, found: np.ndarray) -> np.ndarray:
        return np.asarray(found @ self._rows)


class _ByColumn(_Coordinates):
    """The coefficients themselves."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows, self._columns = rows, np.ascontiguousarray(rows.T)
        self.size, self.energy = rows.shape[1], float(np.vdot(rows, rows))

    def gradient(self, residuals: np.ndarray) -> np.ndarray:
        return np.asarray(residuals @ self._rows)

    def dual(self, step: np.ndarray) -> np.ndarray:
        return step

    def logits(self, step: np.ndarray, dual: np.ndarray) -> np.ndarray:
        return np.asarray(step @ self._columns)

    def newton(self, weights: np.ndarray, ridge: float) -> np.ndarray:
        half = self._columns * np.sqrt(weights)
        return _inverse(half @ half.T, ridge)

    def newton_step(self, inverse: np.ndarray, weights: np.ndarray, slope: np.ndarray) -> Any:
        return slope.astype(np.float32) @ inverse

    def weights(self, found: np.ndarray) -> np.ndarray:
        return found


class LogisticRows:
    """Rows that models are fitted to, prepared once for several targets and penalties.

    Args:
        values: Features of the training rows.

    Raises:
        ValueError: They are not finite.
    """

    def __init__(self, values: Float[np.ndarray, "rows features"]) -> None:
        wide = values.astype(np.float64)
        if not np.isfinite(wide).all():
            raise ValueError("finite values are needed, got NaN or infinity")
        self._mean = wide.mean(axis=0)
        wide -= self._mean
        is_wide = wide.shape[0] <= wide.shape[1]
        self._coordinates: _Coordinates = _ByRow(wide) if is_wide else _ByColumn(wide)

    def fit(
        self,
        target: Int[np.ndarray, " rows"],
        num_classes: int,
        *,
        penalty: float,
        importance: Float[np.ndarray, " rows"] | None = None,
        tolerance: float = TOLERANCE,
    ) -> Coefficients:
        """Minimise sum_i s_i (-log p_i) + |W|^2 / (2 C); of two classes + |w_1 - w_0|^2 / (2 C).

        p_i is the probability of the row's class by softmax(W x_i + b), and b is not penalised:
        this is the objective of scikit-learn. Steps are those of L-BFGS with an exact line search,
        in a metric that has the curvature of the rows by their mean variance over classes. It ends
        when a step changes no logit of a training row by more than `tolerance`.

        Args:
            target: Class of each row, 0 ... num_classes - 1.
            num_classes: Each of them occurs.
            penalty: C.
            importance: s, of each row; none: 1.
            tolerance: See `TOLERANCE`.
        """
        rows = np.ones(len(target)) if importance is None else importance.astype(np.float64)
        # Opposite coefficients of two classes have half the squared norm of their difference.
        ridge = (2 if num_classes == 2 else 1) / penalty
        sought = _Descent(self._coordinates, target, num_classes, rows, ridge)
        steps = sought.run(tolerance)
        weights = self._coordinates.weights(sought.found[:, :-1])
        return Coefficients(weights, sought.found[:, -1] - weights @ self._mean, steps)


class _Memory:
    """The last steps of L-BFGS, their duals, and what they changed of the gradient.

    The two loops of Nocedal & Wright 2006, algorithm 7.4, are two triangular systems in the
    products of duals and changes, so that the long vectors are only multiplied as matrices.
    """

    def __init__(self, size: int) -> None:
        self._steps, self._duals, self._changes = np.zeros((3, _MEMORY, size))
        self._products = np.zeros((_MEMORY, _MEMORY))
        self._order: list[int] = []
        """Rows of the arrays, the oldest first."""

    def add(self, step: np.ndarray, dual: np.ndarray, change: np.ndarray) -> None:
        """Remember a step, and forget the oldest of too many."""
        if float(np.vdot(dual, change)) <= 0:  # rounding is all that is left
            return
        row = len(self._order) if len(self._order) < _MEMORY else self._order.pop(0)
        self._order.append(row)
        for own, kept in ((step, self._steps), (dual, self._duals), (change, self._changes)):
            kept[row] = own.ravel()
        self._products[row] = self._changes @ self._duals[row]
        self._products[:, row] = self._duals @ self._changes[row]

    def first(self, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first loop's factors, oldest first, and what it leaves of the gradient."""
        if not self._order:
            return np.zeros(0), slope
        factors = self._solved((self._duals @ slope.ravel())[self._order], transposed=False)
        return factors, slope - self._sum(factors, self._changes).reshape(slope.shape)

    def second(
        self, factors: np.ndarray, step: np.ndarray, dual: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return step and dual after the second loop."""
        if not self._order:
            return step, dual
        own = self._products[self._order, self._order] * factors
        more = self._solved(own - (self._changes @ dual.ravel())[self._order], transposed=True)
        return (
            step + self._sum(more, self._steps).reshape(step.shape),
            dual + self._sum(more, self._duals).reshape(dual.shape),
        )

    def _solved(self, right: np.ndarray, *, transposed: bool) -> np.ndarray:
        upper = np.triu(self._products[np.ix_(self._order, self._order)])
        return np.asarray(np.linalg.solve(upper.T if transposed else upper, right))

    def _sum(self, factors: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        by_row = np.zeros(_MEMORY)
        by_row[self._order] = factors
        return np.asarray(by_row @ vectors)


class _Descent:
    """The way from zero to the optimum; the last coordinate of each class is its intercept.

    Every array is [classes, ...]: sums over classes go along rows of memory.
    """

    def __init__(
        self,
        coordinates: _Coordinates,
        target: np.ndarray,
        num_classes: int,
        importance: np.ndarray,
        ridge: float,
    ) -> None:
        self._in, self._importance, self._ridge = coordinates, importance, ridge
        self._is_class = np.zeros((num_classes, len(target)))
        self._is_class[target, np.arange(len(target))] = 1
        self._logits = np.zeros_like(self._is_class)
        self._shares = _softmax(self._logits)
        self.found = np.zeros((num_classes, coordinates.size + 1))
        self._memory = _Memory(self.found.size)
        self._weigh()
        mean = float(self._weights.mean()) * coordinates.energy / coordinates.size
        self._inverse = _isotropic(coordinates.size, ridge + mean)

    def run(self, tolerance: float) -> int:
        """Go on until a step changes logits by `tolerance` at most; count the steps."""
        slope = self._slope()
        for number in range(_MOST_STEPS):
            if number in _CURVATURE_AT:
                self._weigh()
                self._inverse = self._in.newton(self._weights, self._ridge)
            step, dual = self._direction(slope)
            towards = self._in.logits(step[:, :-1], dual[:, :-1]) + step[:, -1:]
            length, shares = self._length(step, dual, towards)
            self.found += length * step
            self._logits += length * towards
            self._shares = shares
            change = length * float(np.abs(towards).max())
            if change <= tolerance:
                return number + 1
            before, slope = slope, self._slope()
            self._memory.add(length * step, length * dual, slope - before)
        warn(
            f"logistic regression of {self._logits.shape[1]} rows: a step still changes logits by "
            f"{change:.1g} after {_MOST_STEPS} steps"
        )
        return _MOST_STEPS

    def _slope(self) -> np.ndarray:
        residuals = self._importance * (self._shares - self._is_class)
        inner = self._in.gradient(residuals) + self._ridge * self.found[:, :-1]
        return np.concatenate([inner, residuals.sum(axis=1, keepdims=True)], axis=1)

    def _weigh(self) -> None:
        """Weigh rows by the mean variance of their classes, as the Hessian does."""
        num_classes = len(self._shares)
        variance = (self._shares * (1 - self._shares)).sum(axis=0) / max(num_classes - 1, 1)
        self._weights = self._importance * np.maximum(variance, _LEAST_WEIGHT)

    def _direction(self, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the step of L-BFGS and its dual."""
        factors, left = self._memory.first(slope)
        step = np.empty_like(left)
        step[:, :-1] = self._in.newton_step(self._inverse, self._weights, left[:, :-1])
        step[:, -1] = left[:, -1] / self._weights.sum()
        dual = np.empty_like(step)
        dual[:, :-1] = self._in.dual(step[:, :-1])
        dual[:, -1] = step[:, -1]
        step, dual = self._memory.second(factors, step, dual)
        return -step, -dual

    def _length(
        self, step: np.ndarray, dual: np.ndarray, towards: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Return how far to go, by Newton's method along the line, and the probabilities there."""
        fixed = self._ridge * float(np.vdot(self.found[:, :-1], dual[:, :-1]))
        fixed -= float((self._importance * self._is_class * towards).sum())
        bend = self._ridge * float(np.vdot(step[:, :-1], dual[:, :-1]))
        length = 1.0
        for _ in range(8):
            shares = _softmax(self._logits + length * towards)
            first = shares * towards
            mean = first.sum(axis=0)
            slope = float(self._importance @ mean) + fixed + length * bend
            squares = np.einsum("cr,cr->r", first, towards) - mean**2
            more = -slope / max(float(self._importance @ squares) + bend, np.finfo(float).tiny)
            if abs(more) <= 0.1 * length:
                break
            length = min(max(length + more, 0.1 * length), 10 * length)
        else:
            shares = _softmax(self._logits + length * towards)
        return length, shares


def fit_estimator(
    model: LogisticRegression,
    values: Float[np.ndarray, "rows features"],
    labels: Sequence[Any] | np.ndarray,
) -> LogisticRegression:
    """Fit a model of scikit-learn by this solver: the same objective, nearer to its minimum.

    Args:
        model: With `C` and `class_weight`; it gets coefficients, intercepts and classes.
        values: Features of the training rows.
        labels: Of each row.

    Raises:
        ValueError: There are fewer than two classes, or values are not finite.
    """
    names, numbers = np.unique(np.asarray(labels), return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"two classes or more are needed, got {list(names)}")
    weights = compute_class_weight(model.class_weight, classes=names, y=np.asarray(labels))
    found = LogisticRows(values).fit(
        numbers, len(names), penalty=model.C, importance=weights[numbers]
    )
    coefficients, intercepts = found.weights, found.intercepts
    if len(names) == 2:
        coefficients, intercepts = np.diff(coefficients, axis=0), np.diff(intercepts)
    model.classes_, model.n_features_in_ = names, values.shape[1]
    model.coef_ = np.ascontiguousarray(coefficients, dtype=values.dtype)
    model.intercept_ = intercepts.astype(values.dtype)
    model.n_iter_ = np.array([found.num_steps], dtype=np.int32)
    return model


def _inverse(matrix: np.ndarray, ridge: float) -> np.ndarray:
    """Return (matrix + ridge I)^-1 of a symmetric matrix: a metric, for which float32 will do."""
    size = len(matrix)
    narrow = matrix.astype(np.float32)
    narrow.flat[:: size + 1] += ridge
    factor, failed = lapack.spotrf(narrow.T, lower=1, overwrite_a=1)
    if failed:  # values so large that the penalty is lost in rounding
        return _isotropic(size, ridge + float(np.trace(matrix)) / size)
    half, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    half.flat[:: size + 1] /= 2
    return np.asarray(half + half.T)


def _isotropic(size: int, curvature: float) -> np.ndarray:
    return np.eye(size, dtype=np.float32) / np.float32(curvature)


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=0))
    raised /= raised.sum(axis=0)
    return np.asarray(raised)
