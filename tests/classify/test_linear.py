import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tokser.classify.linear import fit_predict_logreg

RNG = np.random.default_rng(0)
LABELS = np.array(["b", "c", "d"] * 10, dtype=object)
TRAIN, TEST = (RNG.normal(5, 3, (n, 6)).astype(np.float32) for n in (30, 8))


def test_it_is_scikit_learns_logistic_regression_on_standardised_values():
    peer = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5_000)).fit(TRAIN, LABELS)
    found = fit_predict_logreg(TRAIN, LABELS, TEST, ("b", "c", "d"))
    np.testing.assert_allclose(found, peer.predict_proba(TEST), atol=1e-4)


def test_columns_follow_the_classes_and_unseen_ones_have_probability_0():
    known = fit_predict_logreg(TRAIN, LABELS, TEST, ("b", "c", "d"))
    found = fit_predict_logreg(TRAIN, LABELS, TEST, ("d", "a", "b", "c"))
    np.testing.assert_array_equal(found[:, 1], 0)
    np.testing.assert_array_equal(found[:, [2, 3, 0]], known)


def test_two_classes_do():
    two = np.where(LABELS == "b", "b", "x").astype(object)
    found = fit_predict_logreg(TRAIN, two, TEST, ("b", "x"))
    np.testing.assert_allclose(found.sum(axis=1), 1)
