import numpy as np

from tokser.experiments.logistic.vector import Vector


def test_sums_multiples_and_scalar_products():
    rng = np.random.default_rng(0)
    one, other = (Vector(rng.normal(size=(2, 3, 5)), rng.normal(size=(3, 1))) for _ in range(2))
    wanted = (one.rows * other.products).sum() + (one.intercepts * other.intercepts).sum()
    np.testing.assert_allclose(one.dot(other), wanted)
    rows, logits = one.rows + 2 * other.rows, one.logits + 2 * other.logits
    one.add(2.0, other)
    np.testing.assert_allclose(one.rows, rows)
    np.testing.assert_allclose(one.logits, logits)
    one.scale(-3.0)
    np.testing.assert_allclose(one.logits, -3 * logits)
