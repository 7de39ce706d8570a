import numpy as np
import pytest
import torch

from tokser.errors import InputError
from tokser.experiments.similarity.cka import cka_of, unbiased_hsic


def drawn(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def plain_hsic(x, y):
    """HSIC_1 as Song et al. write it, equation 4; features are not centred."""
    num = len(x)
    of_x, of_y = (x @ x.T).fill_diagonal_(0), (y @ y.T).fill_diagonal_(0)
    ones = torch.ones(num, dtype=x.dtype)
    first = torch.trace(of_x @ of_y)
    second = (ones @ of_x @ ones) * (ones @ of_y @ ones) / ((num - 1) * (num - 2))
    third = 2 * (ones @ of_x @ of_y @ ones) / (num - 2)
    return (first + second - third) / (num * (num - 3))


def test_hsic_is_that_of_the_written_equation():
    features = [drawn(9, 4), drawn(9, 3, seed=1)]
    found = unbiased_hsic(features)
    for a, x in enumerate(features):
        for b, y in enumerate(features):
            torch.testing.assert_close(found[a, b], plain_hsic(x, y))


def test_the_estimate_of_independent_features_is_unbiased():
    pairs = ([drawn(8, 5, seed=i), drawn(8, 5, seed=-i - 1 + 10_000)] for i in range(3000))
    values = np.array([float(unbiased_hsic(pair)[0, 1]) for pair in pairs])
    assert abs(values.mean()) < 3 * values.std() / len(values) ** 0.5


def test_rotation_and_scale_do_not_matter():
    x = drawn(40, 6)
    rotation = torch.linalg.qr(drawn(6, 6, seed=1))[0]
    found = cka_of([[x, 3 * x @ rotation + 5]])
    np.testing.assert_allclose(found, np.ones((2, 2)), atol=1e-9)


def test_minibatches_agree_with_one_batch():
    x = drawn(600, 8)
    y = x @ drawn(8, 8, seed=1) + 0.5 * drawn(600, 8, seed=2)
    whole = cka_of([[x, y]])[0, 1]
    parts = cka_of([[x[i : i + 100], y[i : i + 100]] for i in range(0, 600, 100)])[0, 1]
    assert parts == pytest.approx(whole, abs=0.02)
    assert 0.1 < whole < 0.95


def test_a_constant_feature_has_no_similarity():
    found = cka_of([[drawn(9, 3), torch.ones(9, 2, dtype=torch.float64)]])
    assert np.isnan(found[0, 1])
    assert found[0, 0] == pytest.approx(1)


def test_nothing_to_compare_is_said():
    with pytest.raises(InputError, match="fewer"):
        cka_of([])
