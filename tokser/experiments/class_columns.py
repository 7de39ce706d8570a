"""Tasks whose target has a column for each class: shares of annotators, or presence."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tokser.experiments.task import Known, TargetScale, Task

__all__ = ["ClassColumns"]


class ClassColumns(Task):
    """A target of several columns, one for each class; outputs are numbers of the same classes."""

    averages = True
    compares_choices = True
    keeps_models = False

    @abstractmethod
    def strata(self, known: Known) -> list[Any]:
        """Return one class of each utterance: splits and halves of dev are stratified by it."""

    def labels(self, utterances: pd.DataFrame) -> "pd.Series[str]":
        """Return the strata of utterances."""
        (name,) = self.targets
        found = self.strata(self.target_of(utterances, name))
        return pd.Series(found, index=utterances.index, dtype=object)

    def classes(self, target: Known) -> tuple[str, ...]:
        """Return the classes, sorted."""
        return tuple(map(str, pd.DataFrame(target).columns))

    def target_scale(self, known: np.ndarray) -> TargetScale | None:
        """Return None: such targets have no scale."""
        return None

    def decide(self, outputs: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Return the outputs: a number for each class."""
        return outputs
