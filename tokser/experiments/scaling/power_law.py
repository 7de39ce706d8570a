"""A power law through errors at several sizes, by bounded least squares."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

__all__ = ["EXPONENTS", "PowerLaw", "fit_power_law"]

EXPONENTS = np.geomspace(0.05, 3, 300)
"""What the exponent is searched among: neighbours differ by 1.4 %."""


class PowerLaw(NamedTuple):
    """error(n) = a + b n^-c, of one or several curves.

    Attributes:
        limit: a, the error that remains however large n is.
        factor: b.
        exponent: c, one of `EXPONENTS`.
    """

    limit: Float[np.ndarray, "*curves"]
    factor: Float[np.ndarray, "*curves"]
    exponent: Float[np.ndarray, "*curves"]

    def error(self, sizes: Float[np.ndarray, " sizes"]) -> Float[np.ndarray, "*curves sizes"]:
        """Return the errors at some sizes."""
        limit, factor, exponent = (np.asarray(one)[..., None] for one in self)
        return np.asarray(limit + factor * sizes**-exponent)


def fit_power_law(
    sizes: Float[np.ndarray, " sizes"], errors: Float[np.ndarray, "*curves sizes"]
) -> PowerLaw:
    """Fit error(n) = a + b n^-c with a >= 0, b >= 0 and 0.05 <= c <= 3 to each curve.

    For a given exponent the problem is linear: its minimum is where both bounds are met, or on one
    of them, in closed form. The exponent of least squares among `EXPONENTS` is taken, so no start
    has to be guessed and no minimum is missed.

    Args:
        sizes: n, at least two different ones.
        errors: One for each size.

    Source: Hestness et al. 2017, equation 1.
    """
    y = errors[..., None, :]
    x = (sizes / sizes[0]) ** -EXPONENTS[:, None]
    x_mean, y_mean = x.mean(axis=-1), y.mean(axis=-1)
    x_apart = x - x_mean[:, None]
    slope = (x_apart * y).sum(axis=-1) / (x_apart**2).sum(axis=-1)
    start = y_mean - slope * x_mean
    through_zero = np.maximum((x * y).sum(axis=-1) / (x**2).sum(axis=-1), 0)
    is_flat, is_below = slope <= 0, start < 0
    factor = np.where(is_flat, 0.0, np.where(is_below, through_zero, slope))
    limit = np.where(is_flat, np.maximum(y_mean, 0), np.where(is_below, 0.0, start))
    squares = ((limit[..., None] + factor[..., None] * x - y) ** 2).sum(axis=-1)
    best = squares.argmin(axis=-1)
    limit, factor = (
        np.take_along_axis(one, best[..., None], axis=-1)[..., 0] for one in (limit, factor)
    )
    exponent = EXPONENTS[best]
    return PowerLaw(limit, factor * sizes[0] ** exponent, exponent)
