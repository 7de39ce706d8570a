"""The task of dimensional emotion: valence, arousal, dominance, scored by concordance (CCC)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

from tokser.errors import InputError, list_some
from tokser.experiments.results import REGRESSION
from tokser.experiments.statistics.metrics import ccc, ccc_from_sums
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.experiments.statistics.unit_sums import UnitSums, estimate, sum_numbers
from tokser.experiments.task import Known, Loss, PooledScores, TargetScale, Task

__all__ = ["Regression", "Subset"]

_NOT_RATED = (
    "num_samples",
    "sampling_rate_hz",
    "speaker",
    "session",
    "sentence",
    "start_s",
    "end_s",
)
Subset = Literal["all", "labelled"]
"""Every utterance that has ratings, or only those that have an emotion label, too."""


class Regression(Task):
    """Numbers that annotators gave, such as valence; emotion labels are not needed.

    Args:
        targets: Columns of the utterances.
        subset: Whether utterances without an emotion label are left out: IEMOCAP rates 10,039
            turns, of which 5,531 have one of the four usual labels.
        loss: What heads minimise: `squared error`, or `concordance` (1 - CCC).
    """

    tables = REGRESSION
    averages = False
    compares_choices = False
    later_settings = MappingProxyType(
        {"subset": "all", "loss": "squared-error", **Task.later_settings}
    )

    def __init__(
        self, targets: Sequence[str], subset: Subset = "all", loss: Loss = "squared error"
    ) -> None:
        self.loss = loss  # type: ignore[misc]  # that of one experiment, not of the class
        self._targets = tuple(dict.fromkeys(targets))
        self._subset = subset

    @staticmethod
    def score(sums: np.ndarray) -> np.ndarray:
        """Return the CCC of the sums of 1, x, y, x^2, y^2 and xy."""
        return ccc_from_sums(sums)

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that were asked for."""
        return self._targets

    def usable(self, utterances: pd.DataFrame, *, splits_are_given: bool) -> pd.DataFrame:
        """Return the utterances of the subset, whose targets are all numbers."""
        if self._subset == "labelled":
            utterances = utterances[utterances["label"].ne("")]
        absent = [target for target in self._targets if target not in utterances]
        if absent:
            raise InputError(
                "--target",
                expected="columns of the manifest",
                got=f"none called {list_some(absent)}",
                remedy=f"This store has the numbers {list_some(numeric, most=12)}: name some of "
                "them."
                if (numeric := _numeric_columns(utterances))
                else "IEMOCAP, MSP-IMPROV and MSP-Podcast have valence, arousal and "
                "dominance; EmoDB has none of them.",
            )
        numbers = utterances[list(self._targets)].apply(pd.to_numeric, errors="coerce")
        broken = [
            f"{target} of {utterance}: {_cell(utterances.at[utterance, target])}"
            for target in numbers
            for utterance in utterances.index[~np.isfinite(numbers[target].to_numpy(float))]
        ]
        if broken:
            commas = any("," in one for one in broken)
            raise InputError(
                f"--target {','.join(self._targets)}",
                expected="a number for every utterance",
                got=list_some(broken),
                remedy="Write decimals with a point in the manifest, and extract again."
                if commas
                else "Complete the manifest.",
            )
        return utterances.assign(**{target: numbers[target] for target in numbers})

    def labels(self, utterances: pd.DataFrame) -> None:
        """Return None: there are no classes."""
        return

    def classes(self, target: Known) -> tuple[str, ...]:
        """Return none."""
        return ()

    def target_scale(self, known: np.ndarray) -> TargetScale:
        """Return mean and population standard deviation; 1 where nothing varies."""
        numbers = known.astype(np.float64)
        return TargetScale(float(numbers.mean()), float(numbers.std()) or 1.0)

    def decide(self, outputs: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Return the outputs: they are the prediction."""
        return outputs

    def sums(self, truth: np.ndarray, guess: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Return the sums of 1, x, y, x^2, y^2 and xy."""
        sums = [np.ones(len(truth)), truth, guess, truth * truth, guess * guess, truth * guess]
        return np.asarray(np.sum(sums, axis=1, dtype=np.float64))

    def prediction_table(
        self, target: Known, outputs: np.ndarray, classes: Sequence[str]
    ) -> pd.DataFrame:
        """Return truth and prediction."""
        return pd.DataFrame({"truth": target.to_numpy(dtype=np.float64), "prediction": outputs})

    def unit_sums(
        self,
        predictions: Sequence[pd.DataFrame],
        units: SamplingUnits,
        classes: Sequence[str],
    ) -> UnitSums:
        """Return the six sums for each unit and seed."""
        return sum_numbers(predictions, units)

    def test_scores(self, sums: UnitSums, predictions: Sequence[pd.DataFrame]) -> PooledScores:
        """Return CCC with its interval, Pearson's correlation, and the root mean square error."""
        value, interval = estimate(sums, self.score, "correlation")
        truth, guess = _numbers(pd.concat(predictions, ignore_index=True))
        varies = truth.std() > 0 and guess.std() > 0
        columns = {
            "ccc": value,
            "ccc_low": interval.low,
            "ccc_high": interval.high,
            "pearson": float(np.corrcoef(truth, guess)[0, 1]) if varies else 0.0,
            "rmse": float(np.sqrt(np.mean((truth - guess) ** 2))),
            "rmse_chance": float(truth.std()),
        }
        return PooledScores(columns, interval.missing)

    def fold_score(self, predictions: pd.DataFrame) -> float:
        """Return the CCC."""
        return ccc(*_numbers(predictions))

    def setup(self, settings: Mapping[str, Any]) -> list[str]:
        """Say which loss there is, too, where it is not the usual one."""
        loss = ["loss 1 - CCC"] if self.loss == "concordance" else []
        return [*loss, *super().setup(settings)]


def _numbers(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    truth, guess = (predictions[c].to_numpy(dtype=np.float64) for c in ("truth", "prediction"))
    return truth, guess


def _numeric_columns(utterances: pd.DataFrame) -> list[str]:
    """Return the columns whose cells are all numbers, but for those that every manifest has."""
    own = utterances.drop(columns=[name for name in _NOT_RATED if name in utterances])
    parsed = own.apply(pd.to_numeric, errors="coerce")
    return [str(name) for name in parsed if bool(np.isfinite(parsed[name].to_numpy(float)).all())]


def _cell(value: object) -> str:
    return repr(value) if isinstance(value, str) and value else "none"
