import numpy as np

from tokser.experiments.logistic.curvature import Curvature


def test_it_is_the_second_derivative_and_has_a_root():
    rng = np.random.default_rng(0)
    shares, importance = rng.dirichlet(np.ones(4), 6).T, rng.uniform(0.5, 2, 6)
    curvature = Curvature(shares, importance, np.dtype(np.float64))
    logits = rng.normal(size=(4, 6))
    classes = np.arange(4)
    for row in range(6):
        own = shares[:, row]
        wanted = importance[row] * (np.diag(own) - np.outer(own, own))
        np.testing.assert_allclose(curvature.times(logits)[:, row], wanted @ logits[:, row])
        root = curvature.columns(classes, np.full(4, row)).T
        np.testing.assert_allclose(root @ root.T, wanted, atol=1e-15)
        np.testing.assert_allclose(curvature.norms[:, row], np.square(root).sum(axis=0))
        np.testing.assert_allclose(
            curvature.projected(logits)[:, row], root.T @ logits[:, row], atol=1e-15
        )
        np.testing.assert_allclose(
            curvature.combined(logits)[:, row], root @ logits[:, row], atol=1e-15
        )


def test_that_of_some_rows_is_part_of_it():
    rng = np.random.default_rng(0)
    shares, logits = rng.dirichlet(np.ones(3), 5).T, rng.normal(size=(3, 5))
    curvature = Curvature(shares, np.ones(5), np.dtype(np.float32))
    logits = logits.astype(np.float32)
    some = np.array([1, 4])
    part = curvature.of(some)
    np.testing.assert_array_equal(part.times(logits[:, some]), curvature.times(logits)[:, some])
    np.testing.assert_array_equal(
        part.projected(logits[:, some]), curvature.projected(logits)[:, some]
    )
