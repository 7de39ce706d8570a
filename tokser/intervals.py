"""95 % intervals of scores: what leaving each independent unit out changes, on Student's t."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

__all__ = ["LEVEL", "MIN_UNITS", "Interval", "Scale", "jackknife", "jackknife_sums"]

LEVEL = 0.95
MIN_UNITS = 4
"""Units below which no interval is given: with three, t has two degrees of freedom."""
_ROUNDING = 1e-24
"""Variance below which units agree, but for rounding."""
_CORRECTION = 2.0
"""Right and wrong observations that are added to a share, so that its logit is finite and one
error among few observations does not weigh as much as many."""
_UNSEEN = 2
"""Observations of one unit that may differ where all units agree on 0 or 1."""

Scale = Literal["share", "correlation", "difference"]
"""What an estimate is: in [0, 1], in [-1, 1], or any number."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, or why there is none.

    Attributes:
        low: Lower end; NaN where there is none.
        high: Upper end.
        num_units: Independent units that it rests on.
        missing: Why there is none; empty where there is one.
    """

    low: float
    high: float
    num_units: int
    missing: str = ""

    @classmethod
    def none(cls, why: str, num_units: int = 0) -> "Interval":
        """Return no interval, and the reason."""
        return cls(float("nan"), float("nan"), num_units, why)


def jackknife(
    estimate: float,
    without: Float[np.ndarray, " units"],
    *,
    scale: Scale,
    num_observations: float,
) -> Interval:
    """Return the delete-one-unit jackknife interval of an estimate.

    On the scale f (logit for shares, Fisher's z for correlations, none for differences), with G
    units, f_g = f(estimate without unit g) and their mean f.:

        f(estimate) ± t(G - 1, 97.5 %) sqrt((G - 1) / G sum_g (f_g - f.)^2)

    A share is moved by two right and two wrong observations towards 1/2 first. Where all units
    agree on 0 or 1, the interval is as wide as if two observations of one unit differed.
    Where single units pull the estimate one way (skewness g of their influences), that end alone is
    moved outwards by g (1 + 2 t^2) / (6 sqrt(G)) standard errors.

    Args:
        estimate: With all units.
        without: The same without each of them.
        scale: What the estimate is.
        num_observations: Observations behind a share, all units together.

    Source: Tukey 1958 (jackknife), Johnson 1978 (skewness), Agresti and Coull 1998 (two and two).
    Departs: t on the transformed scale, and skewness only widens; both keep the coverage with few
    units (docs/statistics.md).
    """
    num_units = len(without)
    if num_units < MIN_UNITS:
        return Interval.none(f"fewer than {MIN_UNITS} units", num_units)
    to_line, back = _transforms(scale, num_observations)
    centre, moved = to_line(np.asarray(estimate)), to_line(without)
    influence = (num_units - 1) * (moved.mean() - moved)
    variance = float((influence**2).mean())
    error = np.sqrt(variance / (num_units - 1))
    if scale == "share" and estimate in (0.0, 1.0):
        one_off = to_line(np.asarray(abs(estimate - _UNSEEN / num_observations)))
        error = max(error, (num_units - 1) / num_units * abs(centre - one_off))
    quantile = stdtrit(num_units - 1, (1 + LEVEL) / 2)
    skewness = float((influence**3).mean()) / variance**1.5 if variance > _ROUNDING else 0.0
    pull = skewness * (1 + 2 * quantile**2) / (6 * np.sqrt(num_units)) * error
    low = back(centre - quantile * error + min(pull, 0.0))
    high = back(centre + quantile * error + max(pull, 0.0))
    return Interval(float(low), float(high), num_units)


def jackknife_sums(
    sums: np.ndarray,
    score: Callable[[np.ndarray], np.ndarray],
    *,
    scale: Scale,
    num_observations: float,
) -> tuple[float, Interval]:
    """Return a score of sums over units, and its jackknife interval.

    Args:
        sums: What the score is made of, [units, *rest]; units without any observation are left out.
        score: Takes sums, [..., *rest], gives the score of each, [...].
        scale: See `jackknife`.
        num_observations: See `jackknife`.
    """
    total = sums.sum(axis=0)
    present = sums[np.abs(sums).reshape(len(sums), -1).sum(axis=1) > 0]
    estimate = float(score(total[None])[0])
    return estimate, jackknife(
        estimate, score(total - present), scale=scale, num_observations=num_observations
    )


def _transforms(
    scale: Scale, num_observations: float
) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
    """Return the transformation to the whole line, and its inverse."""
    if scale == "difference":
        return (lambda x: x), (lambda z: z)
    if scale == "correlation":
        inside = 1 - 1e-12
        return (lambda r: np.arctanh(np.clip(r, -inside, inside))), np.tanh
    size = num_observations + 2 * _CORRECTION

    def logit(share: np.ndarray) -> np.ndarray:
        inner = (share * num_observations + _CORRECTION) / size
        return np.asarray(np.log(inner / (1 - inner)))

    def share(z: np.ndarray) -> np.ndarray:
        inner = 1 / (1 + np.exp(-z))
        return np.asarray(np.clip((inner * size - _CORRECTION) / num_observations, 0.0, 1.0))

    return logit, share
