import numpy as np
import pytest

from tokser.experiments.scaling.replicates import curve_replicates, draw_error, percentile_ends


def mean_of(sums):
    """Share of right answers, of [right, all]."""
    return sums[..., 0] / sums[..., 1]


def made(num_units, num_draws, *, unit_std, draw_std, seed=0):
    rng = np.random.default_rng(seed)
    shares = 0.5 + unit_std * rng.normal(size=(num_units, 1, 1))
    shares = shares + draw_std * rng.normal(size=(num_units, num_draws, 1))
    sums = np.stack([100 * shares, np.full_like(shares, 100)], axis=-1)
    return np.repeat(sums, 2, axis=2)


def test_replicates_vary_as_the_mean_over_units_does():
    sums = made(20, 4, unit_std=0.1, draw_std=0.0)
    found = curve_replicates(sums, list(range(20)), mean_of, np.random.default_rng(0))
    assert found.shape == (2_000, 2)
    by_unit = mean_of(sums)[:, 0, 0]
    assert found[:, 0].std() == pytest.approx(by_unit.std() / np.sqrt(20), rel=0.1)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])


def test_few_draws_leave_the_error_of_their_mean():
    sums = made(200, 3, unit_std=0.0, draw_std=0.1)[:, :, 0]
    found = draw_error(sums, list(range(200)), mean_of, np.random.default_rng(0))
    assert found == pytest.approx(0.1 / np.sqrt(3 * 200), rel=0.15)
    same = np.repeat(sums[:, :1], 3, axis=1)
    assert draw_error(same, list(range(200)), mean_of, np.random.default_rng(0)) < 1e-12


def test_units_of_a_fold_share_its_draws():
    sums = np.repeat(made(40, 5, unit_std=0.0, draw_std=0.1)[:, :, 0], 5, axis=0)
    rng = np.random.default_rng
    together = draw_error(sums, [i // 5 for i in range(200)], mean_of, rng(0))
    apart = draw_error(sums, list(range(200)), mean_of, rng(0))
    assert together == pytest.approx(apart * np.sqrt(5), rel=0.1)


def test_few_units_move_the_ends_outwards():
    values = np.random.default_rng(0).normal(size=200_000)
    wide, narrow = percentile_ends(values, 5), percentile_ends(values, 5_000)
    assert narrow == pytest.approx((-1.96, 1.96), abs=0.03)
    assert wide == pytest.approx((-3.10, 3.10), abs=0.1)
