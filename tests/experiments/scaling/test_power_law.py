import numpy as np
import pytest
from scipy.optimize import least_squares

from tokser.experiments.scaling.power_law import EXPONENTS, PowerLaw, fit_power_law

SIZES = np.array([1.0, 2, 3, 4, 6, 9, 20])


def test_a_power_law_is_found_again():
    made = PowerLaw(np.array([0.05, 0.0]), np.array([0.4, 0.6]), np.array([0.8, 0.3]))
    found = fit_power_law(SIZES, made.error(SIZES))
    for got, wanted in zip(found, made, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0.03, atol=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_no_solver_with_bounds_fits_better(seed):
    rng = np.random.default_rng(seed)
    errors = 0.1 * rng.random() + rng.random() * SIZES ** -(2 * rng.random())
    errors = np.clip(errors + 0.03 * rng.normal(size=len(SIZES)), 0, 1)
    law = fit_power_law(SIZES, errors)
    ours = ((law.error(SIZES) - errors) ** 2).sum()
    bounds = ([0, 0, EXPONENTS[0]], [np.inf, np.inf, EXPONENTS[-1]])
    for start in (0.1, 0.5, 1.5):
        other = least_squares(
            lambda p: p[0] + p[1] * SIZES ** -p[2] - errors, [0.05, 0.5, start], bounds=bounds
        )
        assert ours <= 2 * other.cost * 1.01 + 1e-6


def test_errors_that_grow_give_a_flat_curve():
    law = fit_power_law(SIZES, np.linspace(0.2, 0.4, len(SIZES)))
    assert law.factor == 0
    assert law.limit == pytest.approx(0.3)


def test_many_curves_are_fitted_as_one_is():
    errors = np.random.default_rng(0).random((5, 3, len(SIZES)))
    all_at_once = fit_power_law(SIZES, errors)
    alone = fit_power_law(SIZES, errors[2, 1])
    for several, one in zip(all_at_once, alone, strict=True):
        assert several[2, 1] == one
