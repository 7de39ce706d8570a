"""Probabilities of utterances with what is true, and whom each is by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int64

from tokser.experiments.classification import PROBABILITY
from tokser.experiments.statistics.sampling_units import SamplingUnits

__all__ = ["Predicted", "draws_of"]


@dataclass(frozen=True)
class Predicted:
    """Predictions of utterances whose labels are known.

    Attributes:
        ids: Utterances.
        probabilities: Of each class.
        truth: Position of the true class.
        units: Speaker of each, or session where that is the independent unit; empty text where
            it is unknown.
    """

    ids: np.ndarray
    probabilities: Float[np.ndarray, "utterances classes"]
    truth: Int64[np.ndarray, " utterances"]
    units: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame, classes: Sequence[str], units: SamplingUnits) -> "Predicted":
        """Take a table of predictions.

        Args:
            table: Columns `id`, `label`, and `probability_<class>` of each class.
            classes: In the order of the probabilities.
            units: The speaker or session of each utterance.
        """
        columns = [f"{PROBABILITY}{name}" for name in classes]
        return cls(
            ids=table["id"].to_numpy(dtype=object),
            probabilities=table[columns].to_numpy(dtype=np.float64),
            truth=np.asarray(pd.Index(classes).get_indexer(table["label"]), dtype=np.int64),
            units=units.of(table["id"]).to_numpy(dtype=object),
        )

    def __len__(self) -> int:
        return len(self.truth)

    def where(self, chosen: Bool[np.ndarray, " utterances"]) -> "Predicted":
        """Return some of the utterances."""
        return Predicted(
            self.ids[chosen], self.probabilities[chosen], self.truth[chosen], self.units[chosen]
        )

    @property
    def is_right(self) -> Bool[np.ndarray, " utterances"]:
        """Whether the most probable class is the true one."""
        found: np.ndarray = self.probabilities.argmax(axis=1) == self.truth
        return found


def draws_of(ids: Sequence[str] | np.ndarray) -> Float[np.ndarray, " utterances"]:
    """Return a number in [0, 1) for each utterance that looks random and follows from its id."""
    hashed = pd.util.hash_array(np.asarray(list(map(str, ids)), dtype=object))
    return np.asarray(hashed / np.float64(2**64)).clip(0, np.nextafter(1, 0))
