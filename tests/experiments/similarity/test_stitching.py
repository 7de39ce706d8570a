import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from tokser.experiments.similarity.stitching import STRENGTHS, stitching_r2


def drawn(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


PARTS = np.array(([0, 0, 1, 2] * 60)[:240], dtype=np.int64)


def test_scores_are_those_of_scikit_learns_ridge():
    x = drawn(240, 7)
    y = x[:, :4] @ drawn(4, 5, seed=1) + drawn(240, 5, seed=2)
    found = stitching_r2([x, y], PARTS)[0, 1]

    def scaled(values):
        known = values[PARTS == 0].numpy()
        return (values.numpy() - known.mean(axis=0)) / known.std(axis=0)

    a, b = scaled(x), scaled(y)
    train, dev, test = (number == PARTS for number in range(3))
    fitted = [
        Ridge(alpha=share * train.sum(), fit_intercept=False).fit(a[train], b[train])
        for share in STRENGTHS
    ]
    best = min(fitted, key=lambda own: ((own.predict(a[dev]) - b[dev]) ** 2).sum())
    expected = 1 - ((best.predict(a[test]) - b[test]) ** 2).sum() / (b[test] ** 2).sum()
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_linear_map_is_found_and_noise_is_not():
    x = drawn(240, 6)
    found = stitching_r2([x, x @ drawn(6, 3, seed=1), drawn(240, 4, seed=2)], PARTS)
    assert found[0, 1] > 0.999
    assert found[1, 0] < 0.95
    assert found[0, 2] < 0.05
