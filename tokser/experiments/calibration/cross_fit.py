"""Calibrates each test utterance by others: those of other speakers, or its fold's dev part.

Whatever is fitted, a temperature and thresholds, comes from utterances that the model which
predicted them was not trained on, and never from the speaker whose utterances it is used on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from tokser.config.calibration import Exchangeable, SetScore
from tokser.experiments.calibration.conformal import (
    Threshold,
    fit_threshold,
    prediction_sets,
    true_scores,
)
from tokser.experiments.calibration.predicted import Predicted, draws_of
from tokser.experiments.calibration.temperature import (
    Temperature,
    fit_temperature,
    scale_probabilities,
)

__all__ = [
    "EXCHANGEABLE",
    "MOST_GROUPS",
    "Calibrated",
    "Fitted",
    "SetChoice",
    "calibrate_by_dev",
    "calibrate_by_speakers",
    "fit_calibration",
]

MOST_GROUPS = 50
"""Groups of speakers that calibrate each other."""
EXCHANGEABLE: tuple[Exchangeable, ...] = ("speakers", "utterances")


class SetChoice(NamedTuple):
    """Which sets are made.

    Attributes:
        levels: Coverages that are asked for, each between 0 and 1.
        score: Nonconformity score of a class.
    """

    levels: tuple[float, ...] = (0.9,)
    score: SetScore = "lac"


@dataclass(frozen=True)
class Fitted:
    """What some utterances calibrate others by.

    Attributes:
        temperature: Of the probabilities.
        thresholds: By what is taken to be exchangeable, and by coverage.
        num_utterances: That it was fitted on.
        num_units: Their speakers, or sessions.
    """

    temperature: Temperature
    thresholds: Mapping[tuple[Exchangeable, float], Threshold]
    num_utterances: int
    num_units: int


@dataclass(frozen=True)
class Calibrated:
    """Test utterances after calibration.

    Attributes:
        predicted: With calibrated probabilities; the predicted classes are those from before.
        sets: By what is taken to be exchangeable, and by coverage; [utterances, classes].
        fitted: What each group of test utterances was calibrated by, by name of the group.
    """

    predicted: Predicted
    sets: Mapping[tuple[Exchangeable, float], Bool[np.ndarray, "utterances classes"]]
    fitted: Mapping[str, Fitted] = field(default_factory=dict)

    @property
    def temperatures(self) -> Float[np.ndarray, " groups"]:
        """The temperature of each group."""
        return np.array([one.temperature.value for one in self.fitted.values()])

    def num_calibrating(self, exchangeable: Exchangeable) -> int:
        """Return the fewest speakers, or utterances, that a group's thresholds rest on."""
        key = "num_units" if exchangeable == "speakers" else "num_utterances"
        return min((getattr(one, key) for one in self.fitted.values()), default=0)


def fit_calibration(predicted: Predicted, choice: SetChoice) -> Fitted:
    """Fit a temperature, and thresholds on the scaled probabilities.

    Args:
        predicted: Utterances that the models which predicted them were not trained on.
        choice: Which sets.
    """
    temperature = fit_temperature(predicted.probabilities, predicted.truth)
    scaled = scale_probabilities(predicted.probabilities, temperature.value)
    scores = true_scores(scaled, predicted.truth, choice.score, _draws(predicted, choice))
    thresholds = {
        (exchangeable, level): fit_threshold(
            scores, level, predicted.units if exchangeable == "speakers" else None
        )
        for exchangeable in EXCHANGEABLE
        for level in choice.levels
    }
    return Fitted(temperature, thresholds, len(predicted), len(set(predicted.units)))


def calibrate_by_speakers(predicted: Predicted, choice: SetChoice) -> Calibrated:
    """Calibrate each speaker's (or session's) utterances by those of all others.

    More than `MOST_GROUPS` speakers are distributed over that many groups, each of which is
    calibrated by all others: what is fitted hardly differs, and takes minutes less.

    Args:
        predicted: Test predictions of all folds of one seed.
        choice: Which sets.
    """
    names, places = np.unique(predicted.units.astype(str), return_inverse=True)
    group = places % MOST_GROUPS
    titles = names if len(names) <= MOST_GROUPS else [f"group {n + 1}" for n in set(group)]
    groups = (
        (str(title), group == number, predicted.where(group != number))
        for number, title in enumerate(titles)
    )
    return _calibrate(predicted, groups, choice)


def calibrate_by_dev(
    predicted: Predicted, folds: Sequence[str], dev: Mapping[str, Predicted], choice: SetChoice
) -> Calibrated:
    """Calibrate each fold's test part by its dev part.

    Args:
        predicted: Test predictions of all folds of one seed.
        folds: Fold of each of them.
        dev: Predictions of each fold's dev part, by the model as dev selected it.
        choice: Which sets.
    """
    of = np.asarray(folds, dtype=object)
    groups = ((name, of == name, dev[name]) for name in dict.fromkeys(folds))
    return _calibrate(predicted, groups, choice)


def _calibrate(
    predicted: Predicted,
    groups: Iterator[tuple[str, np.ndarray, Predicted]],
    choice: SetChoice,
) -> Calibrated:
    probabilities = np.empty_like(predicted.probabilities)
    sets = {
        (exchangeable, level): np.zeros(probabilities.shape, dtype=bool)
        for exchangeable in EXCHANGEABLE
        for level in choice.levels
    }
    draws, fitted = _draws(predicted, choice), {}
    for name, own, others in groups:
        fitted[name] = found = fit_calibration(others, choice)
        scaled = scale_probabilities(predicted.probabilities[own], found.temperature.value)
        probabilities[own] = scaled
        mine = None if draws is None else draws[own]
        for key, threshold in found.thresholds.items():
            sets[key][own] = prediction_sets(scaled, threshold.value, choice.score, mine)
    calibrated = Predicted(predicted.ids, probabilities, predicted.truth, predicted.units)
    return Calibrated(calibrated, sets, fitted)


def _draws(predicted: Predicted, choice: SetChoice) -> Float[np.ndarray, " utterances"] | None:
    return draws_of(predicted.ids) if choice.score == "aps-randomised" else None
