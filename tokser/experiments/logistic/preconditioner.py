"""Approximate inverses of the second derivative, for conjugate gradients."""

from collections.abc import Callable

import numpy as np
from scipy.linalg import get_lapack_funcs

from tokser.experiments.logistic.curvature import Curvature
from tokser.experiments.logistic.gram import Gram
from tokser.experiments.logistic.vector import Vector

__all__ = ["Preconditioner", "leading", "plain"]

SHARE = 0.3
"""Directions that a preconditioner has, as a share of the rows."""
MOST_DIRECTIONS = 1_000
"""That a preconditioner has."""

Preconditioner = Callable[[Vector], Vector]


def plain(ridge: float, intercept: float) -> Preconditioner:
    """Return the inverse of the penalty alone, with a penalty on intercepts, too.

    Args:
        ridge: The penalty.
        intercept: Its quotient by that on intercepts.
    """

    def inverse(slope: Vector) -> Vector:
        return Vector(slope.both / ridge, slope.intercepts * (intercept / ridge))

    return inverse


def leading(
    gram: Gram, curvature: Curvature, ridge: float, intercept: float
) -> Preconditioner | None:
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
    influence = curvature.norms * (gram.diagonal + intercept)
    size = min(max(int(SHARE * influence.shape[1]), 1), MOST_DIRECTIONS)
    places = np.sort(np.argpartition(influence, -size, axis=None)[-size:])
    classes, rows = np.unravel_index(places, influence.shape)
    some, back = np.unique(rows, return_inverse=True)
    picked, own = gram.some(some), curvature.of(some)
    columns = own.columns(classes, back)
    inner = picked.among(back)
    inner += intercept
    inner *= columns @ columns.T
    rounding = np.finfo(inner.dtype).eps * float(np.trace(inner))
    inner.flat[:: size + 1] += ridge + rounding
    factorise, solve = get_lapack_funcs(("potrf", "potrs"), (inner,))
    factor, failed = factorise(inner.T, lower=0, overwrite_a=1, clean=0)
    if failed:
        return None

    def inverse(slope: Vector) -> Vector:
        seen = own.projected(slope.products.take(some, axis=1) + intercept * slope.intercepts)
        factors = np.zeros_like(seen)
        factors[classes, back] = solve(factor, seen[classes, back], lower=0)[0]
        taken = own.combined(factors)
        both = slope.both.copy()
        both[0][:, some] -= taken
        both[1] -= picked.times(taken)
        both *= 1 / ridge
        sums = taken.sum(axis=1, keepdims=True)
        return Vector(both, (intercept / ridge) * (slope.intercepts - sums))

    return inverse
