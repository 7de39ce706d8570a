"""Sums of parts are those over the rows themselves."""

import numpy as np
import pytest

from tokser.functionals.standardise import Standardiser
from tokser.functionals.sums import Sums, SumsOfParts

NUM_ROWS = 203


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    values = rng.normal(7, 2, (NUM_ROWS, 5)).astype(np.float32)
    values[:, 1] = 3.25
    values[:150, 2] = -1e4  # constant in a part, and far from the rest
    values[:, 3] *= 1e-6
    return values, np.abs(rng.normal(size=values.shape)).astype(np.float32) * 1e-4


def folds():
    parts = np.split(np.arange(NUM_ROWS), [20, 60, 61, 150, 190])
    without = [np.concatenate([p for i, p in enumerate(parts) if i != k]) for k in range(5)]
    return [*without, parts[0], np.arange(150)]


def assert_alike(found, expected):
    np.testing.assert_array_equal(found.is_constant, expected.is_constant)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-14)
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-13)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("has_rounding", [True, False])
def test_parts_are_summed_as_their_own_rows_are(table, order, has_rounding):
    values, errors = (np.asarray(one, order=order) for one in table)
    rounding = errors if has_rounding else None
    together = SumsOfParts(values, rounding, folds())
    for number, rows in enumerate(folds()):
        expected = Standardiser.fit(values[rows], errors[rows] if has_rounding else None)
        assert_alike(Standardiser.of(together.of(number)), expected)


def test_moments_are_numpys(table):
    values, errors = table
    found = Sums.over(values, errors)
    wide = values.astype(np.float64)
    np.testing.assert_allclose(found.mean, wide.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.squares, NUM_ROWS * wide.var(axis=0), rtol=1e-12, atol=1e-20)
    np.testing.assert_allclose(found.rounding, np.square(errors.astype(np.float64)).sum(axis=0))


def test_parts_that_separate_nearly_every_row_are_summed_alone(table):
    rng = np.random.default_rng(1)
    parts = [np.sort(rng.choice(NUM_ROWS, 100, replace=False)) for _ in range(80)]
    together = SumsOfParts(table[0], None, parts)
    for number in (0, 79):
        expected = Standardiser.fit(table[0][parts[number]])
        assert_alike(Standardiser.of(together.of(number)), expected)


def test_rows_of_no_part_are_not_read(table):
    values = table[0].copy()
    values[150:] = np.nan
    found = SumsOfParts(values, None, [np.arange(100), np.arange(50, 150)])
    assert np.isfinite(found.of(0).squares).all()
    assert np.isfinite(found.of(1).squares).all()
