import numpy as np
import pytest

from tokser.experiments.logistic.curvature import Curvature
from tokser.experiments.logistic.gram import Gram
from tokser.experiments.logistic.newton_step import newton_step
from tokser.experiments.logistic.preconditioner import leading, plain

RIDGE, NUM_ROWS, NUM_CLASSES = 0.5, 25, 3


def direct(rows, shares, residuals, found):
    """Solve the equations of weights and intercepts as one dense system."""
    wide = np.hstack([rows, np.ones((NUM_ROWS, 1))])
    size = wide.shape[1]
    hessian = np.zeros((NUM_CLASSES, size, NUM_CLASSES, size))
    for i, row in enumerate(wide):
        own = shares[:, i]
        hessian += np.multiply.outer(
            np.diag(own) - np.outer(own, own), np.outer(row, row)
        ).swapaxes(1, 2)
    penalty = np.append(np.full(size - 1, RIDGE), 1e-9)  # leaves what all intercepts may share
    for k in range(NUM_CLASSES):
        hessian[k, :, k, :] += np.diag(penalty)
    slope = residuals @ wide
    slope[:, :-1] -= RIDGE * found @ rows
    flat = NUM_CLASSES * size
    step = np.linalg.solve(hessian.reshape(flat, flat), slope.ravel())
    return step.reshape(NUM_CLASSES, size) @ wide.T


@pytest.mark.parametrize("is_leading", [False, True])
@pytest.mark.parametrize("num_features", [10, 40])
def test_it_solves_the_equations_of_newton(num_features, is_leading):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(NUM_ROWS, num_features))
    shares = rng.dirichlet(np.ones(NUM_CLASSES), NUM_ROWS).T
    target = np.eye(NUM_CLASSES)[rng.integers(0, NUM_CLASSES, NUM_ROWS)].T
    found = rng.normal(size=shares.shape) / 10
    found -= found.mean(axis=0)
    gram = Gram(rows)
    curvature = Curvature(shares, np.ones(NUM_ROWS), gram.dtype)
    inverse = leading(gram, curvature, RIDGE, 5.0) if is_leading else plain(RIDGE, 5.0)
    assert inverse is not None
    step = newton_step(
        gram, curvature, target - shares, found, ridge=RIDGE, inverse=inverse, accuracy=1e-10
    )
    wanted = direct(rows, shares, target - shares, found)
    np.testing.assert_allclose(step.logits, wanted, atol=1e-6)
    np.testing.assert_allclose(step.products, gram.times(step.rows), atol=1e-8)
