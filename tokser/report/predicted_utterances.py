"""What one configuration predicted for each test utterance, with what the store knows of these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tokser.report.naming import protocol_title
from tokser.report.parts import Part
from tokser.report.scores import Configuration
from tokser.store import Store

__all__ = ["ABOUT", "PredictedUtterances", "predicted_by"]

PROBABILITY = "probability_"
ABOUT = ("corpus", "speaker", "sex", "session", "transcript", "path")
"""Columns of the store's utterance table that are shown."""


@dataclass(frozen=True)
class PredictedUtterances:
    """Predictions of one configuration under one protocol, an utterance a row.

    Attributes:
        row: The configuration.
        protocol: The protocol.
        table: index = id, in the order of the predictions; `label`, `prediction`, `probability` (of
            what was predicted; NaN where the head has none), `is_correct`, and, where a store is at
            hand, the columns `ABOUT`.
        probabilities: Of each class, [utterances, classes], the same index; no column where the
            head has none.
        seed: Of the predictions, where there are those of several; else empty.
    """

    row: Configuration
    protocol: str
    table: pd.DataFrame
    probabilities: pd.DataFrame
    seed: str = ""

    @property
    def classes(self) -> list[str]:
        """Classes that are a label or a prediction, in alphabetic order."""
        return sorted({*self.table["label"], *self.table["prediction"]})

    @property
    def errors(self) -> pd.DataFrame:
        """Utterances that were predicted wrongly, the most probable prediction first."""
        return _by_probability(self.table[~self.table["is_correct"]], ascending=False)

    @property
    def correct(self) -> pd.DataFrame:
        """Utterances that were predicted correctly, the least probable prediction first."""
        return _by_probability(self.table[self.table["is_correct"]], ascending=True)

    @property
    def title(self) -> str:
        """Protocol and configuration, in words."""
        seed = f", seed {self.seed}" if self.seed else ""
        return f"{protocol_title(self.protocol).lower()}, {self.row.label}{seed}"

    def with_store(self, store: Store) -> "PredictedUtterances":
        """Return the same, with what a store knows of each utterance."""
        known = store.utterances.reindex(columns=list(ABOUT), fill_value="")
        about = known.loc[self.table.index].fillna("").astype(str)
        table = self.table.drop(columns=list(ABOUT), errors="ignore").join(about)
        return replace(self, table=table)

    def at(self, ids: Sequence[str]) -> "PredictedUtterances":
        """Return the predictions for some utterances, in this order."""
        names = list(ids)
        return replace(
            self, table=self.table.loc[names], probabilities=self.probabilities.loc[names]
        )

    def absent_from(self, store: Store) -> list[str]:
        """Return the ids that a store does not have."""
        known = set(store.ids)
        return [name for name in self.table.index if name not in known]


def predicted_by(part: Part) -> PredictedUtterances | None:
    """Return the predictions behind the estimate of the first protocol, or its highest row.

    Args:
        part: Of a task with classes.

    Returns:
        Of several seeds, those of the first; None where the folders do not have them.
    """
    protocol = part.scores.protocols[0]
    row, _ = part.scores.shown(protocol)
    folder = part.folder_of(row)
    if folder is None:
        return None
    all_of = folder.predictions
    seeds = row.seeds.split() or [""]
    own = all_of["protocol"] == protocol
    is_first = all_of["seeds"].astype(str) == seeds[0]
    own &= is_first if is_first.any() else True  # early versions did not write the seed
    for key in ("features", "classifier", "setup"):
        own &= all_of[key] == getattr(row, key)
    # Annotators may be of two minds: then there is no label to be right about.
    own &= all_of["label"].fillna("").ne("")
    mine = all_of[own].drop_duplicates("id").set_index("id")
    if mine.empty:
        return None
    probabilities = _probabilities(mine)
    table = pd.DataFrame({"label": mine["label"], "prediction": mine["prediction"]})
    table["probability"] = _of_prediction(table["prediction"], probabilities)
    table["is_correct"] = table["label"] == table["prediction"]
    seed = seeds[0] if len(seeds) > 1 else ""
    return PredictedUtterances(row, protocol, table, probabilities, seed)


def _probabilities(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of probabilities under the names of their classes."""
    names: Mapping[str, str] = {
        name: name.removeprefix(PROBABILITY)
        for name in predictions
        if name.startswith(PROBABILITY) and predictions[name].notna().any()
    }
    return predictions[list(names)].rename(columns=names).astype(float)


def _of_prediction(prediction: "pd.Series[str]", probabilities: pd.DataFrame) -> "pd.Series[float]":
    """Return the probability of what was predicted; NaN where it is not known."""
    places = probabilities.columns.get_indexer(prediction)
    values = probabilities.to_numpy(dtype=float)
    rows = np.arange(len(prediction))
    padded = np.column_stack([values, np.full(len(prediction), np.nan)])
    return pd.Series(padded[rows, places], index=prediction.index)


def _by_probability(table: pd.DataFrame, *, ascending: bool) -> pd.DataFrame:
    by_id = table.sort_index(kind="stable")
    return by_id.sort_values("probability", ascending=ascending, kind="stable")
