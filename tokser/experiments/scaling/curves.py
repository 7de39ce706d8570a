"""Scores of every size, with intervals over test speakers and draws, and the power laws."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from tokser.experiments.scaling.power_law import EXPONENTS, fit_power_law
from tokser.experiments.scaling.replicates import curve_replicates, draw_error, percentile_ends
from tokser.experiments.statistics.unit_sums import Score, UnitSums, estimate
from tokser.intervals import LEVEL, MIN_UNITS, Scale
from tokser.student_t import reach_of_t

__all__ = ["Curve", "Point", "fit_row", "point_rows"]

_FEWEST_SIZES = 4
"""Points through which a curve of three parameters is not drawn anyhow."""
_AT_BOUND = 1e-6
_MOST_RESIDUAL = 0.015
"""Root mean square distance of the scores from the curve, above which they are not on one."""


@dataclass(frozen=True)
class Point:
    """Test predictions at one size.

    Attributes:
        size: Number of speakers, or of utterances of each.
        sums: Predictions of each draw, by test unit.
        num_speakers: Mean over subsets.
        num_train: Mean number of training utterances.
        num_subsets: Subsets that were trained on.
        num_lacking: Those of them that lack a class.
    """

    size: int
    sums: UnitSums
    num_speakers: float
    num_train: float
    num_subsets: int
    num_lacking: int

    @property
    def utterances_per_speaker(self) -> float:
        """Mean over subsets."""
        return self.num_train / self.num_speakers


@dataclass(frozen=True)
class Curve:
    """The points of one feature and target, while one number varies.

    Attributes:
        varied: `speakers` or `utterances`.
        points: Ascending.
        folds: Number of the fold that tests each unit.
        score: UAR or CCC of sums.
        scale: What it is.
        has_chance: Whether a constant prediction scores more than 0.
    """

    varied: str
    points: Sequence[Point]
    folds: Sequence[int]
    score: Score
    scale: Scale
    has_chance: bool

    @property
    def sizes(self) -> Float[np.ndarray, " sizes"]:
        """What the power law is a function of: speakers, or mean utterances of each."""
        is_speakers = self.varied == "speakers"
        return np.array(
            [p.num_speakers if is_speakers else p.utterances_per_speaker for p in self.points]
        )

    @property
    def scores(self) -> Float[np.ndarray, " sizes"]:
        """Score at each size, averaged over draws."""
        return np.array([self.score(p.sums.sums.sum(axis=0)).mean() for p in self.points])


def point_rows(curve: Curve, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield the columns of each point.

    The interval of the mean over draws is the jackknife's over test units; the error that few draws
    leave, see `draw_error`, is added to each half of it, as squares.

    Args:
        curve: The points.
        rng: What resamples draws.
    """
    least = 0.0 if curve.scale == "share" else -1.0
    for point in curve.points:
        value, interval = estimate(point.sums, curve.score, curve.scale)
        by_draw = curve.score(point.sums.sums.sum(axis=0))
        freedom = (len(by_draw) - 1) * (max(curve.folds) + 1)
        more = reach_of_t(freedom, LEVEL) * draw_error(
            point.sums.sums, curve.folds, curve.score, rng
        )
        yield {
            "size": point.size,
            "num_speakers": point.num_speakers,
            "utterances_per_speaker": point.utterances_per_speaker,
            "num_train": point.num_train,
            "score": value,
            "low": max(value - float(np.hypot(value - interval.low, more)), least),
            "high": min(value + float(np.hypot(interval.high - value, more)), 1.0),
            "no_interval": interval.missing,
            "draw_std": float(by_draw.std(ddof=1)),
            "chance": point.sums.chance(curve.score) if curve.has_chance else 0.0,
            "num_draws": len(by_draw),
            "num_subsets": point.num_subsets,
            "num_lacking": point.num_lacking,
            "n_test": round(point.sums.num_test),
            "unit": point.sums.kind,
            "num_units": point.sums.num_units,
        }


def fit_row(curve: Curve, rng: np.random.Generator) -> dict[str, Any]:
    """Return the columns of the power law through a curve.

    Intervals are of the bootstrap over test units and draws, see `curve_replicates`. Where a curve
    has fewer than four sizes, or does not rise beyond its uncertainty, there is no fit and the
    reason why.
    """
    sizes, scores = curve.sizes, curve.scores
    row: dict[str, Any] = {"num_sizes": len(sizes), "largest": float(sizes[-1])}
    num_units = len(curve.points[0].sums.sums)
    if len(sizes) < _FEWEST_SIZES:
        return row | {"not_identified": f"{len(sizes)} sizes, a fit needs {_FEWEST_SIZES}"}
    if num_units < MIN_UNITS:
        kind = curve.points[0].sums.kind
        return row | {"not_identified": f"fewer than {MIN_UNITS} {kind}s are tested"}
    stacked = np.stack([point.sums.sums for point in curve.points], axis=2)
    replicates = curve_replicates(stacked, curve.folds, curve.score, rng)
    rise = percentile_ends(replicates[:, -1] - replicates[:, 0], num_units)[0]
    if rise <= 0:
        return row | {"not_identified": "flat: no rise beyond the uncertainty"}
    fitted = _described(sizes, scores)
    ends = {
        name: percentile_ends(values, num_units)
        for name, values in _described(sizes, replicates).items()
        if name != "residual"
    }
    row |= {name: float(value) for name, value in fitted.items()}
    for name in _WITH_ENDS:
        row |= {f"{name}_low": float(ends[name][0]), f"{name}_high": float(ends[name][1])}
    return row | {"not_identified": "; ".join(filter(None, (_misfit(row), _open_parameters(row))))}


_WITH_ENDS = ("limit", "factor", "exponent", "score_at_double", "gain_per_doubling")


def _described(
    sizes: Float[np.ndarray, " sizes"], scores: Float[np.ndarray, "*curves sizes"]
) -> Mapping[str, Float[np.ndarray, "*curves"]]:
    """Fit scores, and return parameters and predictions."""
    law = fit_power_law(sizes, 1 - scores)
    largest = sizes[-1]
    at_largest, at_double = np.moveaxis(1 - law.error(np.array([largest, 2 * largest])), -1, 0)
    residual = np.sqrt(((law.error(sizes) - (1 - scores)) ** 2).mean(axis=-1))
    return {
        **law._asdict(),
        "residual": residual,
        "score_at_largest": at_largest,
        "score_at_double": at_double,
        "gain_per_doubling": at_double - at_largest,
    }


def _misfit(row: Mapping[str, Any]) -> str:
    """Say that the scores do not lie on a power law, so what it predicts means little."""
    if row["residual"] <= _MOST_RESIDUAL:
        return ""
    return f"no power law: it misses the scores by {100 * row['residual']:.1f} points"


def _open_parameters(row: Mapping[str, Any]) -> str:
    """Say that the parameters are open, where the exponent is: many of them draw one curve."""
    least, most = EXPONENTS[0] * (1 + _AT_BOUND), EXPONENTS[-1] * (1 - _AT_BOUND)
    if row["exponent_low"] <= least or row["exponent_high"] >= most:
        return (
            "parameters: exponents from "
            f"{row['exponent_low']:.2g} to {row['exponent_high']:.2g} fit as well"
        )
    return ""
