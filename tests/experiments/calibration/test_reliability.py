import numpy as np
import pytest

from tokser.experiments.calibration.bins import bin_edges
from tokser.experiments.calibration.reliability import (
    bin_sums,
    calibration_errors,
    claims_of_class,
    error_if_calibrated,
    expected_error,
    top_claims,
)


def test_the_error_is_what_bins_give_by_hand():
    said, true = np.array([0.1, 0.2, 0.6, 0.8, 0.9]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    edges = bin_edges(said, "equal-width", 2)
    sums = bin_sums([(said, true)], [np.zeros(5, dtype=np.int64)], 1, edges)
    by_hand = 2 / 5 * abs(0.15 - 0.5) + 3 / 5 * abs(2.3 / 3 - 2 / 3)
    assert expected_error(sums)[0, 0] == pytest.approx(by_hand)


def test_sums_of_units_add_up(predicted):
    said, true = top_claims(predicted)
    edges = bin_edges(said, "equal-mass")
    place = np.unique(predicted.units, return_inverse=True)[1].astype(np.int64)
    apart = bin_sums([(said, true)], [place], 6, edges)
    together = bin_sums([(said, true)], [np.zeros_like(place)], 1, edges)
    np.testing.assert_allclose(apart.sum(axis=0), together[0])
    assert apart[..., 0].sum() == len(predicted)


def test_exact_probabilities_err_as_chance_says(predict_some):
    exact, bold = predict_some(each=200), predict_some(each=200, boldness=3.0)
    said, _ = top_claims(exact)
    mean, most = error_if_calibrated(said, bin_edges(said, "equal-mass"))
    assert 0 < mean < most
    assert calibration_errors(exact, "equal-mass") < most < calibration_errors(bold, "equal-mass")


def test_claims_of_classes_are_true_once_for_each(predicted):
    true = [claims_of_class(predicted, place)[1] for place in range(3)]
    assert np.sum(true, axis=0).tolist() == [1.0] * len(predicted)


def test_no_utterance_has_no_error_by_chance():
    assert np.isnan(error_if_calibrated(np.array([]), np.array([0.0, 1.0]))).all()
