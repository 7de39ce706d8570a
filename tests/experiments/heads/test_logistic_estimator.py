"""Predictions of logistic regression, held to the bits of scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tokser.experiments.heads.logistic_estimator import LogisticEstimator


def peer(classes, coefficients, intercepts):
    made = LogisticRegression()
    made.classes_, made.n_features_in_ = classes, coefficients.shape[1]
    made.coef_, made.intercept_ = coefficients, intercepts
    return made


def fitted(num_classes, dtype, *, spread=1.0):
    rng = np.random.default_rng(num_classes)
    rows = num_classes if num_classes > 2 else 1
    coefficients = (spread * rng.normal(size=(rows, 24))).astype(dtype)
    names = np.array([f"class {i}" for i in range(num_classes)], dtype=object)
    return names, coefficients, rng.normal(size=rows).astype(dtype)


@pytest.mark.parametrize("spread", [0.1, 1.0, 300.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num_classes", [2, 3, 7])
def test_probabilities_are_those_of_scikit_learn(num_classes, dtype, spread):
    found = fitted(num_classes, dtype, spread=spread)
    values = np.random.default_rng(0).normal(size=(90, 24)).astype(dtype)
    for own in (values, values[:1], np.asfortranarray(values)):
        probabilities = LogisticEstimator(*found).predict_proba(own)
        expected = peer(*found).predict_proba(own)
        np.testing.assert_array_equal(probabilities, expected)
        assert probabilities.dtype == expected.dtype
        assert list(LogisticEstimator(*found).predict(own)) == list(peer(*found).predict(own))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(wrong):
    values = np.zeros((3, 24))
    values[1, 2] = wrong
    with pytest.raises(ValueError, match="finite"):
        LogisticEstimator(*fitted(3, np.float64)).predict_proba(values)


def test_rows_of_another_width_are_refused():
    with pytest.raises(ValueError, match="24"):
        LogisticEstimator(*fitted(3, np.float64)).predict_proba(np.zeros((3, 5)))
