import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from tokser.experiments.probing.ridge import STRENGTHS, RidgePath, class_scores


@pytest.mark.parametrize("shape", [(30, 50), (60, 8)], ids=["wide", "tall"])
def test_predictions_are_those_of_scikit_learn(shape):
    rng = np.random.default_rng(0)
    train, test = rng.normal(3, 5, size=shape), rng.normal(3, 5, size=(7, shape[1]))
    target = rng.normal(size=(shape[0], 3))
    (found,) = RidgePath(train, [test]).predict(target)
    scaler = StandardScaler().fit(train)
    for own, strength in zip(found, STRENGTHS, strict=True):
        ridge = Ridge(alpha=strength * len(train)).fit(scaler.transform(train), target)
        np.testing.assert_allclose(own, ridge.predict(scaler.transform(test)), atol=1e-7)


def test_constant_columns_do_not_matter():
    rng = np.random.default_rng(0)
    train, test, target = (
        rng.normal(size=(20, 4)),
        rng.normal(size=(5, 4)),
        rng.normal(size=(20, 1)),
    )
    wider = [np.hstack([own, np.full((len(own), 1), 7.0)]) for own in (train, test)]
    (plain,), (found,) = (
        RidgePath(a, [b]).predict(target) for a, b in ((train, test), (wider[0], wider[1]))
    )
    np.testing.assert_allclose(found, plain, atol=1e-9)


def test_classes_weigh_the_same_whatever_their_share():
    scores = class_scores(["a", "a", "a", "b"], ["a", "b", "c"])
    np.testing.assert_allclose(scores.mean(axis=0), [1, 1, 0])
    assert scores[3].tolist() == [0, 4, 0]
