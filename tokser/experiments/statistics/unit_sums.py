"""Predictions summed by sampling unit: all that scores, their intervals and tests need of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int64

from tokser.experiments.statistics.metrics import chance_from_confusion
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.intervals import MIN_UNITS, Interval, Scale, jackknife, jackknife_each, jackknife_sums

__all__ = [
    "Score",
    "UnitSums",
    "estimate",
    "estimate_difference",
    "estimate_each",
    "interval_around",
    "sum_cells",
    "sum_classes",
    "sum_numbers",
    "unit_places",
]

Score = Callable[[np.ndarray], np.ndarray]
"""Takes sums, [..., *cells]; gives the score of each, [...]."""


@dataclass(frozen=True)
class UnitSums:
    """Sums over the test utterances of one system, pooled over folds.

    Attributes:
        sums: What scores are made of: counts by true and predicted class, the six sums of
            `ccc_from_sums`, or those of `share_scores` or `presence_scores`;
            [units, seeds, *cells].
        num_test: Test utterances of one seed, on average.
        kind: What a unit is: `speaker` or `session`.
        missing: Why there is no interval; empty where there may be one.
    """

    sums: Float[np.ndarray, "units seeds *cells"]
    num_test: float
    kind: str = "speaker"
    missing: str = ""

    @property
    def num_units(self) -> int | None:
        """Units that were tested; None where they are unknown."""
        return None if self.missing else len(self.sums)

    def seed(self, number: int) -> "UnitSums":
        """Return one seed alone."""
        return replace(self, sums=self.sums[:, number : number + 1])

    def chance(self, score: Score) -> float:
        """Return what the best constant guess scores, averaged over seeds."""
        confusions = self.sums.sum(axis=0)
        return float(np.mean([chance_from_confusion(score, one) for one in confusions]))


def sum_classes(
    predictions: Sequence[pd.DataFrame], units: SamplingUnits, classes: Sequence[str]
) -> UnitSums:
    """Count predictions by true and predicted class.

    Args:
        predictions: One table for each seed, columns id, label, prediction.
        units: Whom to sum over.
        classes: All classes, in the order of the counts.
    """
    place_of = {name: place for place, name in enumerate(classes)}
    names, places = unit_places(predictions, units)
    shape = (len(names), len(classes), len(classes))
    sums = np.empty((len(names), len(predictions), *shape[1:]))
    for seed, (table, rows) in enumerate(zip(predictions, places, strict=True)):
        truth, guess = (
            [place_of[name] for name in table[column].to_numpy(dtype=object)]
            for column in ("label", "prediction")
        )
        cells = np.ravel_multi_index((rows, np.array(truth), np.array(guess)), shape)
        sums[:, seed] = np.bincount(cells, minlength=math.prod(shape)).reshape(shape)
    return _unit_sums(sums, predictions, units)


def sum_numbers(predictions: Sequence[pd.DataFrame], units: SamplingUnits) -> UnitSums:
    """Sum 1, x, y, x^2, y^2 and xy for the concordance correlation (CCC).

    Args:
        predictions: One table for each seed, columns id, truth, prediction.
        units: Whom to sum over.
    """
    cells = []
    for table in predictions:
        x, y = (table[column].to_numpy(dtype=np.float64) for column in ("truth", "prediction"))
        cells.append(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1))
    return sum_cells(predictions, units, cells)


def estimate(sums: UnitSums, score: Score, scale: Scale) -> tuple[float, Interval]:
    """Return a pooled score, averaged over seeds, and its 95 % interval."""
    value, interval = jackknife_sums(
        sums.sums, _over_seeds(score), scale=scale, num_observations=sums.num_test
    )
    return value, _told(interval, sums)


def estimate_each(
    sums: UnitSums,
    parts: Float[np.ndarray, "units scores seeds *cells"],
    score: Score,
    scale: Scale,
    num_test: Float[np.ndarray, " scores"],
) -> list[tuple[float, Interval]]:
    """Return pooled scores, averaged over seeds, and their 95 % intervals, as `estimate` does.

    Args:
        sums: Whose units they are of.
        parts: What each score is made of.
        score: Of the last axes.
        scale: What the scores are.
        num_test: Observations behind each.
    """
    found = jackknife_each(parts, _over_seeds(score), scale=scale, num_observations=num_test)
    return [(value, _told(interval, sums)) for value, interval in found]


def estimate_difference(first: UnitSums, second: UnitSums, score: Score) -> tuple[float, Interval]:
    """Return score minus score of two systems tested on the same utterances, and its interval."""
    averaged = _over_seeds(score)
    totals = [one.sums.sum(axis=0) for one in (first, second)]
    difference = float(averaged(totals[0]) - averaged(totals[1]))
    without = averaged(totals[0] - first.sums) - averaged(totals[1] - second.sums)
    interval = jackknife(difference, without, scale="difference", num_observations=first.num_test)
    return difference, _told(interval, first)


def _told(interval: Interval, sums: UnitSums) -> Interval:
    """Return an interval, or say with the kind of unit why there is none."""
    if sums.missing:
        return Interval.none(sums.missing)
    if interval.missing:
        return Interval.none(f"fewer than {MIN_UNITS} {sums.kind}s", interval.num_units)
    return interval


def _over_seeds(score: Score) -> Score:
    return lambda sums: np.asarray(score(sums).mean(axis=-1))


def interval_around(value: float, sums: UnitSums, score: Score, scale: Scale) -> Interval:
    """Return the interval of a score that sums give nearly: leaving units out changes it as much.

    Args:
        value: The score, averaged over seeds.
        sums: Its sums.
        score: Makes nearly the same score of sums.
        scale: What the score is.
    """
    averaged = _over_seeds(score)
    present = sums.sums[np.abs(sums.sums).reshape(len(sums.sums), -1).sum(axis=1) > 0]
    without = averaged(sums.sums.sum(axis=0) - present)
    interval = jackknife(value, without, scale=scale, num_observations=sums.num_test)
    return _told(interval, sums)


def unit_places(
    predictions: Sequence[pd.DataFrame], units: SamplingUnits
) -> tuple[list[str], list[Int64[np.ndarray, " utterances"]]]:
    """Return the names of all units, sorted, and the position of each utterance's, by seed."""
    found = [units.names(table["id"].to_numpy(dtype=object)) for table in predictions]
    names = sorted(set().union(*found))
    place_of = {name: place for place, name in enumerate(names)}
    return names, [np.array([place_of[one] for one in own], dtype=np.int64) for own in found]


def sum_cells(
    predictions: Sequence[pd.DataFrame], units: SamplingUnits, cells: Sequence[np.ndarray]
) -> UnitSums:
    """Sum the cells of each utterance, [utterances, *cells] for each seed, by unit."""
    names, places = unit_places(predictions, units)
    sums = np.zeros((len(names), len(predictions), *cells[0].shape[1:]))
    for seed, rows in enumerate(places):
        np.add.at(sums[:, seed], rows, cells[seed])
    return _unit_sums(sums, predictions, units)


def _unit_sums(
    sums: np.ndarray, predictions: Sequence[pd.DataFrame], units: SamplingUnits
) -> UnitSums:
    num_test = sum(map(len, predictions)) / len(predictions)
    tested = (name for table in predictions for name in table["id"].to_numpy(dtype=object))
    return UnitSums(sums, num_test, units.kind, units.missing(tested))
