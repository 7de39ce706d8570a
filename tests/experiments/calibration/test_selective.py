import numpy as np
import pytest

from tokser.experiments.calibration.selective import area_under_risk, risks, sums_answered

SURE = np.array([0.9, 0.4, 0.8, 0.6])
RIGHT = np.array([True, False, True, False])


def test_risks_are_errors_among_the_most_confident():
    np.testing.assert_allclose(risks(SURE, RIGHT), [0, 0, 1 / 3, 1 / 2])
    assert area_under_risk(SURE, RIGHT) == pytest.approx((1 / 3 + 1 / 2) / 4)


def test_equal_confidence_is_answered_together():
    sure = np.array([0.5, 0.5, 0.9])
    first = area_under_risk(sure, np.array([True, False, True]))
    assert first == area_under_risk(sure, np.array([False, True, True]))
    np.testing.assert_allclose(risks(sure, np.array([True, False, True])), [0, 1 / 4, 1 / 3])


def test_cells_count_answered_and_right_ones():
    least, cells = sums_answered(SURE, RIGHT, 0.5)
    assert least == 0.8
    assert cells.tolist() == [[1, 1], [0, 0], [1, 1], [0, 0]]
    assert sums_answered(SURE, RIGHT, 1.0)[1][:, 0].sum() == 4
    assert sums_answered(SURE, RIGHT, 0.01)[1][:, 0].sum() == 1


def test_no_utterance_has_no_area():
    assert np.isnan(area_under_risk(np.array([]), np.array([], dtype=bool)))
