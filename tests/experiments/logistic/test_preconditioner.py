import numpy as np

from tokser.experiments.logistic import preconditioner
from tokser.experiments.logistic.curvature import Curvature
from tokser.experiments.logistic.gram import Gram
from tokser.experiments.logistic.preconditioner import leading
from tokser.experiments.logistic.vector import Vector

RIDGE, INTERCEPT = 0.5, 3.0


def test_it_undoes_penalty_and_curvature_of_all_columns(monkeypatch):
    monkeypatch.setattr(preconditioner, "SHARE", 3)
    rng = np.random.default_rng(0)
    rows, shares = rng.normal(size=(12, 20)), rng.dirichlet(np.ones(3), 12).T
    gram = Gram(rows)
    curvature = Curvature(shares, np.ones(12), gram.dtype)
    inverse = leading(gram, curvature, RIDGE, INTERCEPT)
    assert inverse is not None
    own, intercepts = rng.normal(size=(3, 12)), rng.normal(size=(3, 1))
    step = inverse(Vector(np.stack([own, gram.times(own)]), intercepts))
    bent = curvature.times(step.logits)
    np.testing.assert_allclose(RIDGE * step.rows + bent, own, atol=1e-9)
    np.testing.assert_allclose(step.products, gram.times(step.rows), atol=1e-9)
    np.testing.assert_allclose(
        RIDGE / INTERCEPT * step.intercepts + bent.sum(axis=1, keepdims=True), intercepts, atol=1e-9
    )
