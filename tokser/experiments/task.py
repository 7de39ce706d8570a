"""What a task is: what is predicted, of which utterances, and how predictions are scored.

Everything else of an experiment (features, splits, heads, search, ledger, tables) is the same for
all tasks and asks the task. A new task is one file with one class.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from tokser.config import FrameHeadSettings
from tokser.config.experiments import AGE_BANDS
from tokser.errors import SettingsError, list_some
from tokser.experiments.results import TaskTables
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.experiments.statistics.unit_sums import UnitSums

__all__ = ["Known", "Loss", "PooledScores", "TargetScale", "Task"]

Known: TypeAlias = "pd.Series[Any] | pd.DataFrame"
"""What is to be predicted of utterances, index = id: a label or number of each, or, by class, what
annotators said."""

Loss = Literal[
    "cross-entropy",
    "cross-entropy on shares",
    "binary cross-entropy",
    "squared error",
    "concordance",
]
"""What heads minimise in training."""


@dataclass(frozen=True)
class TargetScale:
    """Mean and standard deviation of the numbers in a training part."""

    mean: float
    scale: float

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return numbers on the scale of the training part."""
        return np.asarray((values - self.mean) / self.scale)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Return numbers on the scale of the corpus."""
        return np.asarray(values * self.scale + self.mean)


class PooledScores(NamedTuple):
    """Scores of all test predictions of one configuration.

    Attributes:
        columns: By the columns of the task's tables.
        no_interval: Why they have no interval; empty where they have one.
    """

    columns: dict[str, Any]
    no_interval: str


class Task(ABC):
    """What is predicted, and how it is scored.

    Attributes:
        tables: The tables that results are written to; they name the task, its command, and the
            score that dev selects by.
        loss: What heads minimise.
        averages: Whether predictions of several heads can be averaged (late fusion).
        compares_choices: Whether choices by dev are compared with each other.
        keeps_models: Whether trained models can be kept in folders.
        calibrates: Whether it predicts one class by probabilities, which can be calibrated.
        later_settings: Settings that earlier versions had not, with the value that does what they
            did: digests leave these out, so that folders of earlier versions are recognised.
    """

    tables: ClassVar[TaskTables]
    loss: ClassVar[Loss]
    averages: ClassVar[bool]
    compares_choices: ClassVar[bool]
    keeps_models: ClassVar[bool] = True
    calibrates: ClassVar[bool] = False
    later_settings: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "save_models": False,
            "splits_format": "tokser",
            "labels": "single",
            "head_grid": {},
            "track": [],
            "search": "grid",
            "trials": 50,
            "frame_heads": FrameHeadSettings().model_dump(mode="json"),
            "frames_mb": 1024,
            "by": [],
            "age_bands": list(AGE_BANDS),
            "calibrate": None,
            "coverage": [0.9],
            "set_score": "lac",
        }
    )

    @staticmethod
    @abstractmethod
    def score(sums: np.ndarray) -> np.ndarray:
        """Return the selection criterion, [...], of sums over utterances, [..., *cells].

        The higher, the better.
        """

    @property
    def has_one_label(self) -> bool:
        """Whether each utterance has one class, in the column `label` of predictions."""
        return False

    @property
    @abstractmethod
    def targets(self) -> tuple[str, ...]:
        """Columns of the utterances that are predicted, one after the other."""

    @abstractmethod
    def usable(self, utterances: pd.DataFrame, *, splits_are_given: bool) -> pd.DataFrame:
        """Return the utterances whose targets are known, the targets in their type.

        Args:
            utterances: All of a store.
            splits_are_given: Whether a file of splits names the utterances that are used.

        Raises:
            InputError: Targets are missing that are needed, or are not what they should be.
        """

    @abstractmethod
    def labels(self, utterances: pd.DataFrame) -> "pd.Series[str] | None":
        """Return the class of each utterance, empty where it is missing; None without classes.

        Splits are stratified by it, every training part needs two of them, and audits say which
        ones a part lacks.
        """

    def target_of(self, utterances: pd.DataFrame, name: str) -> Known:
        """Return one of the targets of utterances; by default the column of that name."""
        return utterances[name]

    def strata(self, known: Known) -> list[Any]:
        """Return what utterances are dealt into halves of dev by, something that can be sorted."""
        return list(known.iloc[:, 0] if isinstance(known, pd.DataFrame) else known)

    @abstractmethod
    def classes(self, target: Known) -> tuple[str, ...]:
        """Return the classes of a target, sorted; none where numbers are predicted."""

    @abstractmethod
    def target_scale(self, known: np.ndarray) -> TargetScale | None:
        """Return what targets of a training part are standardised by; None: nothing."""

    @abstractmethod
    def decide(self, outputs: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Return the prediction, [utterances], of what a head puts out."""

    @abstractmethod
    def sums(self, truth: np.ndarray, guess: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Return what `score` is made of, summed over utterances."""

    @abstractmethod
    def prediction_table(
        self, target: Known, outputs: np.ndarray, classes: Sequence[str]
    ) -> pd.DataFrame:
        """Return the columns of the table of predictions, beside fold and id.

        Args:
            target: Of the utterances that were predicted.
            outputs: What a head put out for them.
            classes: In the order of the outputs.
        """

    @abstractmethod
    def unit_sums(
        self,
        predictions: Sequence[pd.DataFrame],
        units: SamplingUnits,
        classes: Sequence[str],
    ) -> UnitSums:
        """Sum test predictions, one table for each seed, by sampling unit."""

    @abstractmethod
    def test_scores(self, sums: UnitSums, predictions: Sequence[pd.DataFrame]) -> PooledScores:
        """Score all folds' predictions together, averaged over seeds."""

    @abstractmethod
    def fold_score(self, predictions: pd.DataFrame) -> float:
        """Score the predictions of one fold by the selection criterion."""

    def class_rows(
        self, sums: UnitSums, classes: Sequence[str], predictions: Sequence[pd.DataFrame]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return rows by class, and those of the confusion matrix; none without classes."""
        return [], []

    def setup(self, settings: Mapping[str, Any]) -> list[str]:
        """Say in words what departs from the usual training in a grid's settings."""
        patience = settings.get("early_stopping")
        return [f"early stopping {patience}"] if patience else []

    def average(
        self, members: Sequence[pd.DataFrame], weights: Sequence[float] | None
    ) -> pd.DataFrame:
        """Average the predictions of several heads for the same utterances, joined by id.

        Args:
            members: Tables of predictions.
            weights: Dev score of each; None: all weigh the same.

        Raises:
            SettingsError: The task has nothing to average.
        """
        raise self.no_late_fusion([])

    def no_late_fusion(self, names: Sequence[str]) -> SettingsError:
        """Return the error that refuses late fusion."""
        return SettingsError(
            f"tokser {self.tables.command}",
            expected="features, or sums of them",
            got=list_some(names),
            remedy="Late fusion averages probabilities of classes: use `+`, or `tokser classify`.",
        )
