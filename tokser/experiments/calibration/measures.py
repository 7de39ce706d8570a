"""Calibration measures of test predictions over seeds, each with its interval over speakers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tokser.experiments.calibration.bins import Binning, bin_edges
from tokser.experiments.calibration.predicted import Predicted
from tokser.experiments.calibration.proper_scores import brier_scores, negative_log_likelihoods
from tokser.experiments.calibration.reliability import (
    Claims,
    bin_sums,
    claims_of_class,
    error_if_calibrated,
    expected_error,
    top_claims,
)
from tokser.experiments.calibration.selective import area_under_risk, sums_answered
from tokser.experiments.statistics.unit_sums import UnitSums, estimate
from tokser.intervals import MIN_UNITS, Interval, Scale, jackknife

__all__ = ["SHARES_ANSWERED", "SeedPredictions"]

SHARES_ANSWERED = tuple(round(0.05 * step, 2) for step in range(1, 21))
_Row = dict[str, Any]


@dataclass(frozen=True)
class SeedPredictions:
    """Test predictions of all seeds, and their independent units.

    Attributes:
        seeds: Predictions of each seed.
        names: Of the units, sorted.
        kind: `speaker` or `session`.
        missing: Why there is no interval; empty where there may be one.
    """

    seeds: Sequence[Predicted]
    names: Sequence[str]
    kind: str
    missing: str = ""

    @property
    def num_test(self) -> float:
        """Test utterances of a seed, on average."""
        return sum(map(len, self.seeds)) / len(self.seeds)

    @cached_property
    def places(self) -> list[np.ndarray]:
        """Position of the unit of each utterance, by seed."""
        order = {name: place for place, name in enumerate(self.names)}
        return [np.array([order[name] for name in one.units], dtype=np.int64) for one in self.seeds]

    def common(self) -> _Row:
        """Return the columns that say what intervals rest on."""
        return {
            "unit": self.kind,
            "num_units": None if self.missing else len(self.names),
            "no_interval": self.missing
            or (f"fewer than {MIN_UNITS} {self.kind}s" if len(self.names) < MIN_UNITS else ""),
        }

    def measures(self, num_classes: int) -> _Row:
        """Return errors of calibration, Brier score, likelihood and area under the risk curve."""
        top = [top_claims(one) for one in self.seeds]
        by_class = [
            [claims_of_class(one, place) for one in self.seeds] for place in range(num_classes)
        ]
        said = np.concatenate([claims[0] for claims in top])
        edges = bin_edges(said, "equal-mass")
        by_chance = error_if_calibrated(top[0][0], edges)
        return {
            **self._error("ece", [top], "equal-mass"),
            **self._error("ece_equal_width", [top], "equal-width"),
            **self._error("classwise_ece", by_class, "equal-mass"),
            "ece_if_calibrated": by_chance[0],
            "ece_if_calibrated_95": by_chance[1],
            **self.mean("brier", [brier_scores(p.probabilities, p.truth) for p in self.seeds]),
            **self.mean(
                "nll", [negative_log_likelihoods(p.probabilities, p.truth) for p in self.seeds]
            ),
            **self._area(),
        }

    def curve(self, label: str, place: int | None) -> list[_Row]:
        """Return a row of each bin of probabilities: of one class, or of the most probable one."""
        claims = [
            top_claims(one) if place is None else claims_of_class(one, place) for one in self.seeds
        ]
        edges = bin_edges(np.concatenate([said for said, _ in claims]), "equal-mass")
        sums = bin_sums(claims, self.places, len(self.names), edges)
        found = []
        for number in range(len(edges) - 1):
            own = sums[:, :, number].sum(axis=1, keepdims=True)
            total = own.sum(axis=(0, 1))
            if not total[0]:
                continue
            interval = self._estimated(own[..., [0, 2]], _share, "share", total[0])[1]
            found.append(
                {
                    "label": label,
                    "bin": number + 1,
                    "lower_edge": edges[number],
                    "upper_edge": edges[number + 1],
                    "mean_probability": total[1] / total[0],
                    "share_true": total[2] / total[0],
                    "share_true_low": interval.low,
                    "share_true_high": interval.high,
                    "num_utterances": round(total[0]),
                    **self.common(),
                }
            )
        return found

    def risk(self) -> list[_Row]:
        """Return a row of each share of utterances that are answered."""
        confidence = [one.probabilities.max(axis=1) for one in self.seeds]
        found = []
        for share in SHARES_ANSWERED:
            made = [
                sums_answered(sure, one.is_right, share)
                for sure, one in zip(confidence, self.seeds, strict=True)
            ]
            cells = [own for _, own in made]
            count = max(sum(own[:, 0].sum() for own in cells) / len(cells), 1.0)
            row = self._score("accuracy", self._summed(cells), _share, "share", count)
            least = float(np.mean([one for one, _ in made]))
            found.append(
                {"share_answered": share, "least_probability": least, **row}
                | {"n_test": round(count), **self.common()}
            )
        return found

    def mean(
        self,
        name: str,
        values: Sequence[np.ndarray],
        scale: Scale = "difference",
        least: float = 0.0,
    ) -> _Row:
        """Return the mean over utterances of a value of each, with its interval.

        Args:
            name: Of its column.
            values: Of each utterance, by seed.
            scale: What it is.
            least: That it can be; the interval begins there at the earliest.
        """
        cells = [np.stack([np.ones_like(one), one], axis=1) for one in values]
        row = self._score(name, self._summed(cells), _share, scale, self.num_test)
        return row | {f"{name}_low": max(row[f"{name}_low"], least)}

    def _error(self, name: str, kinds: Sequence[Sequence[Claims]], binning: Binning) -> _Row:
        """Return the expected calibration error, the mean over kinds of claims."""
        sums = []
        for claims in kinds:
            edges = bin_edges(np.concatenate([said for said, _ in claims]), binning)
            sums.append(bin_sums(claims, self.places, len(self.names), edges))
        widest = max(one.shape[2] for one in sums)
        padded = [np.pad(s, ((0, 0), (0, 0), (0, widest - s.shape[2]), (0, 0))) for s in sums]
        stacked = np.stack(padded, axis=2)
        return self._score(
            name, stacked, lambda s: expected_error(s).mean(axis=-1), "share", self.num_test
        )

    def _area(self) -> _Row:
        confidence = [one.probabilities.max(axis=1) for one in self.seeds]

        def area(left_out: int | None) -> float:
            areas = []
            for one, sure, place in zip(self.seeds, confidence, self.places, strict=True):
                kept = np.ones(len(one), dtype=bool) if left_out is None else place != left_out
                areas.append(area_under_risk(sure[kept], one.is_right[kept]))
            return float(np.mean(areas))

        value = area(None)
        if self.missing or len(self.names) < MIN_UNITS:
            return {"aurc": value}
        without = np.array([area(unit) for unit in range(len(self.names))])
        interval = jackknife(value, without, scale="share", num_observations=self.num_test)
        return {"aurc": value, "aurc_low": interval.low, "aurc_high": interval.high}

    def _summed(self, cells: Sequence[np.ndarray]) -> np.ndarray:
        """Sum cells of utterances by unit and seed, [units, seeds, *cells]."""
        sums = np.zeros((len(self.names), len(cells), *cells[0].shape[1:]))
        for seed, (own, places) in enumerate(zip(cells, self.places, strict=True)):
            np.add.at(sums[:, seed], places, own)
        return sums

    def _score(
        self,
        name: str,
        sums: np.ndarray,
        score: Callable[[np.ndarray], np.ndarray],
        scale: Scale,
        num_observations: float,
    ) -> _Row:
        value, interval = self._estimated(sums, score, scale, num_observations)
        return {name: value, f"{name}_low": interval.low, f"{name}_high": interval.high}

    def _estimated(
        self,
        sums: np.ndarray,
        score: Callable[[np.ndarray], np.ndarray],
        scale: Scale,
        num_observations: float,
    ) -> tuple[float, Interval]:
        summed = UnitSums(sums, float(num_observations), self.kind, self.missing)
        return estimate(summed, score, scale)


def _share(sums: np.ndarray) -> np.ndarray:
    """Return the second cell by the first."""
    return np.asarray(sums[..., 1] / np.maximum(sums[..., 0], 1))
