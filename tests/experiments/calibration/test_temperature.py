import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from tokser.experiments.calibration.temperature import (
    MOST,
    fit_temperature,
    scale_probabilities,
)


class GivenLogits(ClassifierMixin, BaseEstimator):
    """A classifier whose decision values are its inputs."""

    def fit(self, values, target):
        self.classes_ = np.unique(target)
        return self

    def decision_function(self, values):
        return values

    def predict(self, values):
        return self.classes_[values.argmax(axis=1)]


@pytest.mark.parametrize("boldness", [0.4, 1.0, 3.0])
def test_it_is_that_of_scikit_learn(predict_some, boldness):
    made = predict_some(boldness=boldness)
    logits = np.log(made.probabilities)
    given = GivenLogits().fit(logits, made.truth)
    other = CalibratedClassifierCV(FrozenEstimator(given), method="temperature")
    wanted = other.fit(logits, made.truth).predict_proba(logits)
    temperature = fit_temperature(made.probabilities, made.truth).value
    found = scale_probabilities(made.probabilities, temperature)
    np.testing.assert_allclose(found, wanted, atol=2e-3)


@pytest.mark.parametrize("boldness", [0.5, 2.0, 4.0])
def test_it_finds_how_much_too_bold_probabilities_are(predict_some, boldness):
    made = predict_some(num_speakers=10, each=500, boldness=boldness)
    assert fit_temperature(made.probabilities, made.truth).value == pytest.approx(boldness, rel=0.1)


def test_no_other_temperature_is_more_likely(predicted):
    best = fit_temperature(predicted.probabilities, predicted.truth).value

    def likelihood(temperature):
        logs = log_softmax(np.log(predicted.probabilities) / temperature, axis=1)
        return logs[np.arange(len(predicted)), predicted.truth].mean()

    assert all(likelihood(best) > likelihood(best * factor) for factor in (0.8, 0.99, 1.01, 1.3))


def test_the_order_of_classes_stays_and_zero_stays_zero():
    given = np.array([[0.7, 0.3, 0.0], [0.2, 0.5, 0.3]])
    found = scale_probabilities(given, 2.5)
    assert (np.argsort(found) == np.argsort(given)).all()
    assert found[0, 2] == 0
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(scale_probabilities(given, 1.0), given, atol=1e-15)


def test_utterances_of_a_class_that_training_lacked_do_not_count():
    given = np.array([[0.7, 0.3, 0.0], [0.4, 0.6, 0.0], [0.5, 0.5, 0.0], [0.6, 0.4, 0.0]])
    with_it = fit_temperature(given, np.array([1, 1, 2, 0]))
    without = fit_temperature(given[[0, 1, 3]], np.array([1, 1, 0]))
    assert with_it == without


@pytest.mark.parametrize(
    ("truth", "note"),
    [([], "no utterance"), ([1, 1], "one class alone")],
)
def test_what_cannot_be_fitted_says_so(truth, note):
    given = np.full((len(truth), 3), 1 / 3)
    found = fit_temperature(given, np.array(truth, dtype=np.int64))
    assert found.value == 1 and note in found.note


def test_it_stays_within_its_range():
    sure = np.array([[0.9, 0.1], [0.1, 0.9]])
    right = fit_temperature(sure, np.array([0, 1]))
    wrong = fit_temperature(sure, np.array([1, 0]))
    assert (right.value, wrong.value) == (1 / MOST, MOST)
    assert "nothing is confused" in right.note and "chance" in wrong.note
