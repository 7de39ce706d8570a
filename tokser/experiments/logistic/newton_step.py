"""A step of Newton's method, by conjugate gradients."""

import numpy as np
from jaxtyping import Float64

from tokser.experiments.logistic.curvature import Curvature
from tokser.experiments.logistic.gram import Gram
from tokser.experiments.logistic.preconditioner import Preconditioner
from tokser.experiments.logistic.vector import Vector

__all__ = ["newton_step"]

_MOST_PRODUCTS = 200
"""Of a step: conjugate gradients have as many products with the rows at most."""


def newton_step(
    gram: Gram,
    curvature: Curvature,
    residuals: Float64[np.ndarray, "classes rows"],
    found: Float64[np.ndarray, "classes rows"],
    *,
    ridge: float,
    inverse: Preconditioner,
    accuracy: float,
) -> Vector:
    """Solve (ridge + W G) step = residuals - ridge found, W the curvature, in the span of the rows.

    Args:
        gram: G.
        curvature: W, at the present coefficients.
        residuals: What the target has more than the model, by class and row.
        found: The present coefficients, in rows.
        ridge: The penalty.
        inverse: An approximate one, which speeds it up.
        accuracy: Of the step, relative, in the norm that `inverse` has.
    """
    rows = (residuals - ridge * found).astype(gram.dtype)
    both = np.stack([rows, gram.times(rows)])
    slope = Vector(both, residuals.sum(axis=1, keepdims=True).astype(gram.dtype))
    step = Vector(np.zeros_like(both), np.zeros_like(slope.intercepts))
    direction = inverse(slope)
    energy = first = slope.dot(direction)
    for _ in range(_MOST_PRODUCTS):
        logits = direction.logits
        bent = curvature.times(logits)
        bend = float(np.vdot(bent, logits))
        bend += ridge * float(np.vdot(direction.rows, direction.products))
        if not (energy > 0 and bend > 0):  # rounding is all that is left
            break
        length = energy / bend
        step.add(length, direction)
        change = ridge * direction.both
        change[0] += bent
        change[1] += gram.times(bent)
        slope.add(-length, Vector(change, bent.sum(axis=1, keepdims=True)))
        scaled = inverse(slope)
        before, energy = energy, slope.dot(scaled)
        if energy <= accuracy**2 * first:
            break
        direction.scale(energy / before)
        direction.add(1.0, scaled)
    return step
