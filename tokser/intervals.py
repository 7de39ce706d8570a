"""95 % intervals of scores: what leaving each independent unit out changes, on Student's t."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from tokser.student_t import reach_of_t

__all__ = [
    "LEVEL",
    "MIN_UNITS",
    "Interval",
    "Scale",
    "jackknife",
    "jackknife_each",
    "jackknife_sums",
]

if (
    find_spec("scipy") is None
):  # what tests and fits imports it late: that it is missing is told now
    raise ModuleNotFoundError("No module named 'scipy'", name="scipy")

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
    (interval,) = _jackknives(
        np.array([estimate], dtype=np.float64),
        without[:, None],
        np.ones((len(without), 1), dtype=bool),
        scale,
        np.array([num_observations], dtype=np.float64),
    )
    return interval


def _jackknives(
    estimates: Float[np.ndarray, " scores"],
    without: Float[np.ndarray, "units scores"],
    is_present: Bool[np.ndarray, "units scores"],
    scale: Scale,
    num_observations: Float[np.ndarray, " scores"],
) -> list[Interval]:
    """Return the interval of each score, over the units that are present in it."""
    counts = is_present.sum(axis=0)
    num = np.maximum(counts, MIN_UNITS)  # fewer have no interval
    to_line, back = _transforms(scale, num_observations)
    centre, moved = to_line(estimates), to_line(without)
    mean = (moved * is_present).sum(axis=0) / num
    influence = (num - 1) * (mean - moved) * is_present
    variance = (influence**2).sum(axis=0) / num
    error = np.sqrt(variance / (num - 1))
    if scale == "share":
        one_off = to_line(np.abs(estimates - _UNSEEN / num_observations))
        least = (num - 1) / num * np.abs(centre - one_off)
        all_agree = (estimates == 0) | (estimates == 1)
        error = np.where(all_agree, np.maximum(error, least), error)
    quantile = np.array([reach_of_t(one - 1, LEVEL) for one in num.tolist()])
    varies = variance > _ROUNDING
    skewness = (influence**3).sum(axis=0) / num / np.where(varies, variance, 1.0) ** 1.5
    pull = np.where(varies, skewness, 0.0) * (1 + 2 * quantile**2) / (6 * np.sqrt(num)) * error
    low = back(centre - quantile * error + np.minimum(pull, 0.0)).tolist()
    high = back(centre + quantile * error + np.maximum(pull, 0.0)).tolist()
    return [
        Interval(lower, upper, count)
        if count >= MIN_UNITS
        else Interval.none(f"fewer than {MIN_UNITS} units", count)
        for lower, upper, count in zip(low, high, counts.tolist(), strict=True)
    ]


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


def jackknife_each(
    sums: Float[np.ndarray, "units scores *rest"],
    score: Callable[[np.ndarray], np.ndarray],
    *,
    scale: Scale,
    num_observations: Float[np.ndarray, " scores"],
) -> list[tuple[float, Interval]]:
    """Do what `jackknife_sums` does for several scores of the same units, faster than one by one.

    Args:
        sums: What each score is made of; units without any observation for it are left out.
        score: Takes sums, [..., *rest], gives the score of each, [...].
        scale: See `jackknife`.
        num_observations: See `jackknife`, of each score.
    """
    totals = sums.sum(axis=0)
    is_present = np.abs(sums).reshape(*sums.shape[:2], -1).sum(axis=-1) > 0
    estimates, without = score(totals), score(totals - sums)
    intervals = _jackknives(estimates, without, is_present, scale, num_observations)
    return list(zip(estimates.tolist(), intervals, strict=True))


def _transforms(
    scale: Scale, num_observations: Float[np.ndarray, " scores"]
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
