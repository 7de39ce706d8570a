"""The task of telling emotions apart: classes, scored by unweighted average recall (UAR)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from tokser.errors import list_some
from tokser.experiments.results import CLASSIFICATION
from tokser.experiments.statistics.metrics import (
    accuracy_from_confusion,
    confusion_of,
    macro_f1_from_confusion,
    uar_from_confusion,
    weighted_f1_from_confusion,
)
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.experiments.statistics.unit_sums import (
    UnitSums,
    estimate,
    estimate_each,
    sum_classes,
)
from tokser.experiments.task import Known, PooledScores, TargetScale, Task
from tokser.progress import warn

__all__ = ["PROBABILITY", "Classification", "averaged", "late_weights"]

_SCORES = {
    "uar": uar_from_confusion,
    "accuracy": accuracy_from_confusion,
    "macro_f1": macro_f1_from_confusion,
}
"""Scores of all folds' predictions together, which get an interval and a chance level."""
_BY_CLASS = ("recall", "precision", "f1")
PROBABILITY = "probability_"
"""How the columns of probabilities begin."""


class Classification(Task):
    """Emotion labels, predicted with probabilities."""

    tables = CLASSIFICATION
    loss = "cross-entropy"
    averages = True
    compares_choices = True
    calibrates = True

    @staticmethod
    def score(sums: np.ndarray) -> np.ndarray:
        """Return the UAR of confusion matrices."""
        return uar_from_confusion(sums)

    @property
    def has_one_label(self) -> bool:
        """Each utterance has one."""
        return True

    @property
    def targets(self) -> tuple[str, ...]:
        """The label."""
        return ("label",)

    def usable(self, utterances: pd.DataFrame, *, splits_are_given: bool) -> pd.DataFrame:
        """Leave out utterances without a label, unless a file of splits says what is used.

        Where nobody has one they stay, for the protocols to refuse.
        """
        unlabelled = utterances["label"].eq("")
        if splits_are_given or unlabelled.all() or not unlabelled.any():
            return utterances
        names = list(utterances.index[unlabelled])
        warn(f"{len(names)} utterances have no label and are left out: {list_some(names)}")
        return utterances[~unlabelled]

    def labels(self, utterances: pd.DataFrame) -> "pd.Series[str]":
        """Return the labels."""
        return utterances["label"]

    def classes(self, target: Known) -> tuple[str, ...]:
        """Return the labels that occur, sorted."""
        return tuple(sorted(set(self.strata(target))))

    def target_scale(self, known: np.ndarray) -> TargetScale | None:
        """Return None: classes have no scale."""
        return None

    def decide(self, outputs: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Return the most probable class of each row of probabilities."""
        guess: np.ndarray = np.asarray(classes, dtype=object)[outputs.argmax(axis=1)]
        return guess

    def sums(self, truth: np.ndarray, guess: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Return the confusion matrix."""
        return confusion_of(list(truth), list(guess), classes)

    def prediction_table(
        self, target: Known, outputs: np.ndarray, classes: Sequence[str]
    ) -> pd.DataFrame:
        """Return label, prediction, and the probability of each class."""
        guess = self.decide(outputs, classes)
        table = pd.DataFrame({"label": target.to_numpy(), "prediction": guess})
        for column, name in enumerate(classes):
            table[f"{PROBABILITY}{name}"] = outputs[:, column]
        return table

    def unit_sums(
        self,
        predictions: Sequence[pd.DataFrame],
        units: SamplingUnits,
        classes: Sequence[str],
    ) -> UnitSums:
        """Return a confusion matrix for each unit and seed."""
        return sum_classes(predictions, units, classes)

    def test_scores(self, sums: UnitSums, predictions: Sequence[pd.DataFrame]) -> PooledScores:
        """Return UAR, accuracy and F1, with intervals and chance levels."""
        columns: dict[str, Any] = {}
        missing = ""
        for name, score in _SCORES.items():
            value, interval = estimate(sums, score, "share")
            columns |= {name: value, f"{name}_low": interval.low, f"{name}_high": interval.high}
            columns |= {f"{name}_chance": sums.chance(score)}
            missing = interval.missing
        confusions = sums.sums.sum(axis=0)
        columns["weighted_f1"] = float(weighted_f1_from_confusion(confusions).mean())
        return PooledScores(columns, missing)

    def fold_score(self, predictions: pd.DataFrame) -> float:
        """Return the UAR over the classes that occur in the fold."""
        truth, guess = predictions["label"].tolist(), predictions["prediction"].tolist()
        return float(uar_from_confusion(confusion_of(truth, guess, sorted({*truth, *guess}))))

    def class_rows(
        self, sums: UnitSums, classes: Sequence[str], predictions: Sequence[pd.DataFrame]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Score classes, and count confusions, over all folds and seeds together."""
        counts = np.rint(sums.sums.sum(axis=(0, 1))).astype(int)
        num_seeds = sums.sums.shape[1]
        supports = counts.sum(axis=1)
        num_test = np.maximum(supports / num_seeds, 1.0)
        by_score = [
            estimate_each(sums, parts, _ratio, "share", num_test)
            for parts in _parts_by_class(sums.sums)
        ]
        scored: list[dict[str, Any]] = []
        for i, label in enumerate(classes):
            row: dict[str, Any] = {"label": label, "support": int(supports[i])}
            for name, by_class in zip(_BY_CLASS, by_score, strict=True):
                value, interval = by_class[i]
                row |= {name: value, f"{name}_low": interval.low, f"{name}_high": interval.high}
            scored.append(row)
        confused = [
            {"label": label, "prediction": prediction, "count": int(counts[i, j])}
            for i, label in enumerate(classes)
            for j, prediction in enumerate(classes)
        ]
        return scored, confused

    def setup(self, settings: Mapping[str, Any]) -> list[str]:
        """Say whether classes are weighted, too."""
        weighted = ["class weights"] if settings.get("class_weights") else []
        return [*weighted, *super().setup(settings)]

    def average(
        self, members: Sequence[pd.DataFrame], weights: Sequence[float] | None
    ) -> pd.DataFrame:
        """Average probabilities; weights are how far each dev UAR is above chance."""
        num_classes = sum(column.startswith(PROBABILITY) for column in members[0])
        if weights is None:
            return averaged(members, np.ones(len(members)))
        return averaged(members, late_weights(weights, num_classes))


def late_weights(dev_scores: Sequence[float], num_classes: int) -> np.ndarray:
    """Return how much each member of a weighted average counts: how far it is above chance.

    Args:
        dev_scores: UAR of each on dev.
        num_classes: Of the task.
    """
    above = np.maximum(np.asarray(dev_scores) - 1 / num_classes, 0)
    return above if above.any() else np.ones(len(above))


def averaged(members: Sequence[pd.DataFrame], weights: np.ndarray) -> pd.DataFrame:
    """Average the probabilities of several tables, joined by id.

    Args:
        members: Columns id, label, prediction, probability_<class>...
        weights: Of each.
    """
    first = members[0]
    columns = [column for column in first if column.startswith(PROBABILITY)]
    tables = [table.set_index("id")[columns].loc[first["id"]].to_numpy() for table in members]
    probabilities = np.average(tables, axis=0, weights=weights)
    names = np.array([column.removeprefix(PROBABILITY) for column in columns], dtype=object)
    combined = first.assign(prediction=names[probabilities.argmax(axis=1)])
    combined[columns] = probabilities
    return combined


def _parts_by_class(
    counts: Float[np.ndarray, "units seeds truth prediction"],
) -> tuple[np.ndarray, ...]:
    """Return what recall, precision and F1 are the ratio of, [units, classes, seeds, 2] each."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    truth, guessed = counts.sum(axis=-1), counts.sum(axis=-2)
    ratios = ((hits, truth), (hits, guessed), (2 * hits, truth + guessed))
    return tuple(np.stack(ratio, axis=-1).swapaxes(1, 2) for ratio in ratios)


def _ratio(sums: Float[np.ndarray, "*sets 2"]) -> np.ndarray:
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1))
