import numpy as np
import pytest

from tokser.experiments.heads.frames.compiled_statistics import has_compiler

pytestmark = pytest.mark.skipif(not has_compiler(), reason="no numba, or no AVX-512")


def test_tanh_is_that_of_numpy():
    from tokser.experiments.heads.frames import compiled

    z = np.linspace(-12, 12, 10001, dtype=np.float32)
    z[[0, -1]] = -np.inf, np.inf
    hidden, found = z.reshape(1, 1, -1).copy(), np.empty((1, 1, len(z)), np.float32)
    one = np.ones((1, 1, 1), np.float32)
    compiled.score(hidden, np.zeros((1, 1), np.float32), one, found)
    np.testing.assert_array_equal(found, hidden)
    np.testing.assert_allclose(found[0, 0], np.tanh(z.astype(np.float64)), rtol=0, atol=4e-7)


def test_softmax_is_that_of_numpy():
    from tokser.experiments.heads.frames import compiled

    scores = np.linspace(-70, 10, 97, dtype=np.float32)
    weights, rows = scores.reshape(1, 1, -1).copy(), np.ones((97, 32), np.float32)
    pooled = np.empty((1, 1, 2, 1, 32), np.float32)
    compiled.pool(weights, rows, np.array([97]), pooled, np.float32(1e-5))
    expected = np.exp(scores.astype(np.float64) - 10)
    np.testing.assert_allclose(weights[0, 0], expected / expected.sum(), rtol=1e-5)
