"""The calibration that a model keeps: a temperature, thresholds of sets, and how good they are."""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from tokser.config.calibration import Exchangeable, SetScore
from tokser.errors import InputError
from tokser.experiments.calibration.conformal import (
    most_coverage,
    prediction_sets,
)
from tokser.experiments.calibration.predicted import draws_of
from tokser.experiments.calibration.temperature import scale_probabilities

__all__ = ["PREDICTION_SET", "Calibration", "KeptThreshold", "Shown"]

PREDICTION_SET = "prediction_set"
"""Column of the classes in the set, the most probable first, with `|` between them."""


class KeptThreshold(NamedTuple):
    """A threshold of prediction sets, see `conformal.fit_threshold`.

    Attributes:
        exchangeable: What was taken to be.
        level: Coverage.
        value: None where the coverage cannot be promised: every class would be in the set.
        num_calibrating: Speakers, or utterances, that it rests on.
        promise: For whom the coverage is promised, or why not.
    """

    exchangeable: Exchangeable
    level: float
    value: float | None
    num_calibrating: int
    promise: str


class Shown(NamedTuple):
    """What predictions show.

    Attributes:
        raw: Probabilities as the head puts them out, also where there are calibrated ones.
        exchangeable: Which prediction sets are shown; None: none.
        level: Their coverage.
    """

    raw: bool = False
    exchangeable: Exchangeable | None = None
    level: float | None = None


@dataclass(frozen=True)
class Calibration:
    """Fitted on test predictions, each by a model that was not trained on its speaker.

    Attributes:
        temperature: That probabilities are scaled by.
        set_score: What prediction sets are made by.
        thresholds: Of each kind of set and coverage.
        made_from: Protocol, number of utterances and speakers, and so on.
        measures: Calibration before and after, each speaker calibrated by all others.
        coverage: Of the sets, by group of test utterances, likewise.
    """

    temperature: float
    set_score: SetScore
    thresholds: tuple[KeptThreshold, ...]
    made_from: dict[str, Any] = field(default_factory=dict)
    measures: list[dict[str, Any]] = field(default_factory=list)
    coverage: list[dict[str, Any]] = field(default_factory=list)

    def probabilities(
        self, raw: Float[np.ndarray, "utterances classes"]
    ) -> Float[np.ndarray, "utterances classes"]:
        """Return calibrated probabilities, float64; the order of the classes stays."""
        return scale_probabilities(np.asarray(raw, dtype=np.float64), self.temperature)

    def sets(
        self, calibrated: Float[np.ndarray, "utterances classes"], ids: Any, threshold: float
    ) -> np.ndarray:
        """Return which classes are in the set of each utterance, [utterances, classes]."""
        draws = draws_of(list(ids)) if self.set_score == "aps-randomised" else None
        return prediction_sets(calibrated, threshold, self.set_score, draws)

    def threshold(self, exchangeable: Exchangeable, level: float | None) -> KeptThreshold:
        """Return the threshold of a kind of set.

        Args:
            exchangeable: What is taken to be.
            level: Coverage; None: the first one that the model was fitted for.

        Raises:
            InputError: The model has none of that coverage, or the coverage cannot be promised.
        """
        own = [one for one in self.thresholds if one.exchangeable == exchangeable]
        found = next((one for one in own if level is None or math.isclose(one.level, level)), None)
        if found is None:
            levels = ", ".join(f"{one.level:g}" for one in own)
            raise InputError(
                f"--coverage {level:g}",
                expected=f"a coverage that the model was fitted for: {levels or 'none'}",
                got=f"{level:g}",
                remedy="Name one of these, or fit the model again with --coverage.",
            )
        if found.value is None:
            raise InputError(
                f"--sets {exchangeable}",
                expected=f"a coverage that {found.num_calibrating} {exchangeable} can promise: at "
                f"most {100 * most_coverage(found.num_calibrating):.1f} %",
                got=f"{100 * found.level:g} %",
                remedy="Fit the model again with a lower --coverage, or use --sets utterances, "
                "which promises it only for utterances like those that calibrated.",
            )
        return found
