import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from tokser.experiments.calibration.proper_scores import (
    brier_scores,
    negative_log_likelihoods,
)


def test_they_are_those_of_scikit_learn(predicted):
    given, truth = predicted.probabilities, predicted.truth
    brier = brier_score_loss(truth, given, labels=[0, 1, 2], scale_by_half=False)
    assert brier_scores(given, truth).mean() == pytest.approx(brier)
    likelihoods = negative_log_likelihoods(given, truth)
    assert likelihoods.mean() == pytest.approx(log_loss(truth, given))


def test_an_impossible_class_has_a_finite_score():
    given, truth = np.array([[1.0, 0.0]]), np.array([1])
    assert brier_scores(given, truth) == 2
    assert negative_log_likelihoods(given, truth)[0] == pytest.approx(27.6, abs=0.1)
