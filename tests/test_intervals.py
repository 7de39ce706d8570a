"""Jackknife intervals against formulations of their own, and where they must not exist."""

import math

import numpy as np
import pytest
from scipy import stats

from tokser.intervals import jackknife, jackknife_each, jackknife_sums


def shares(sums: np.ndarray) -> np.ndarray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def test_mean_of_equal_units_is_the_t_interval() -> None:
    values = np.array([1.0, 2.0, 4.0, 5.0, 3.0])  # symmetric: no skewness
    sums = np.stack([values, np.ones(5)], axis=1)
    estimate, found = jackknife_sums(sums, shares, scale="difference", num_observations=5)
    low, high = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    assert estimate == 3.0
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert found.num_units == 5
    assert found.missing == ""


def test_share_in_pseudo_values_of_the_logit() -> None:
    """The same with pseudo-values, the skewness of scipy and the correction written out."""
    hits, counts = np.array([8.0, 5, 9, 3, 7]), np.array([10.0, 10, 10, 5, 8])
    estimate, found = jackknife_sums(
        np.stack([hits, counts], axis=1), shares, scale="share", num_observations=43
    )

    def logit(hit: float, count: float) -> float:
        moved = (hit / count * 43 + 2) / 47
        return math.log(moved / (1 - moved))

    whole = logit(32, 43)
    pseudo = np.array(
        [5 * whole - 4 * logit(32 - h, 43 - c) for h, c in zip(hits, counts, strict=True)]
    )
    error, t = stats.sem(pseudo), stats.t.ppf(0.975, 4)
    pull = stats.skew(pseudo) * (1 + 2 * t**2) / (6 * math.sqrt(5)) * error
    ends = [whole - t * error + min(pull, 0), whole + t * error + max(pull, 0)]
    low, high = ((47 / (1 + math.exp(-end)) - 2) / 43 for end in ends)
    assert estimate == pytest.approx(32 / 43)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    assert found.low < estimate < found.high


def test_correlation_stays_within_its_bounds() -> None:
    found = jackknife(
        0.99, np.array([0.99, 0.97, 0.995, 0.98]), scale="correlation", num_observations=40
    )
    assert 0.4 < found.low < 0.99 < found.high < 1


@pytest.mark.parametrize("estimate", [0.0, 1.0])
def test_units_that_all_agree_on_an_end_leave_room(estimate: float) -> None:
    few, many = (
        jackknife(estimate, np.full(10, estimate), scale="share", num_observations=n)
        for n in (50, 500)
    )
    assert few.low <= estimate <= few.high
    assert 0.08 < few.high - few.low < 0.15
    assert 0.008 < many.high - many.low < 0.02


def test_a_constant_difference_has_no_width() -> None:
    found = jackknife(0.0, np.zeros(6), scale="difference", num_observations=60)
    assert (found.low, found.high) == (0.0, 0.0)


def test_skewed_units_widen_the_side_of_the_tail() -> None:
    values = np.array([0.0, 0, 0, 0, 0, 10])
    sums = np.stack([values, np.ones(6)], axis=1)
    estimate, found = jackknife_sums(sums, shares, scale="difference", num_observations=6)
    half = stats.t.ppf(0.975, 5) * stats.sem(values)
    assert found.low == pytest.approx(estimate - half)
    assert found.high > estimate + 1.2 * half


def test_no_interval_of_fewer_than_four_units() -> None:
    found = jackknife(0.5, np.array([0.4, 0.5, 0.6]), scale="share", num_observations=30)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.missing == "fewer than 4 units"


def test_units_without_observations_do_not_count() -> None:
    sums = np.array([[8.0, 10], [5, 10], [0, 0], [9, 10], [3, 5]])
    _, found = jackknife_sums(sums, shares, scale="share", num_observations=35)
    _, without = jackknife_sums(sums[[0, 1, 3, 4]], shares, scale="share", num_observations=35)
    assert found == without
    assert found.num_units == 4


def test_several_scores_at_once_are_those_one_by_one() -> None:
    rng = np.random.default_rng(0)
    right = rng.integers(0, 6, size=(9, 5)).astype(float)
    sums = np.stack([right, right + rng.integers(0, 4, size=right.shape)], axis=-1)
    sums[:6, 1] = 0  # few units have any observation of this one
    sums[3, 2] = 0
    sums[:, 3, 0] = sums[:, 3, 1]  # all units agree
    number = np.array([30.0, 2.0, 12.0, 40.0, 7.0])

    def ratio(sums: np.ndarray) -> np.ndarray:
        return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1))

    found = jackknife_each(sums, ratio, scale="share", num_observations=number)
    for place, (value, interval) in enumerate(found):
        one, expected = jackknife_sums(
            sums[:, place], ratio, scale="share", num_observations=float(number[place])
        )
        assert value == pytest.approx(one)
        assert (interval.num_units, interval.missing) == (expected.num_units, expected.missing)
        np.testing.assert_allclose(
            [interval.low, interval.high], [expected.low, expected.high], rtol=1e-12
        )
    assert found[1][1].missing
