"""The task of predicting what annotators say: a share of each class, scored as by EMO-SUPERB."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tokser.errors import list_some
from tokser.experiments.class_columns import ClassColumns
from tokser.experiments.classification import PROBABILITY, averaged
from tokser.experiments.results import DISTRIBUTION, SHARES
from tokser.experiments.statistics.metrics import (
    accuracy_from_confusion,
    chance_from_confusion,
    uar_from_confusion,
)
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.experiments.statistics.share_scores import (
    accuracy_from_shares,
    best_constant_macro_f1,
    confusion_in,
    counts_in,
    f1_parts,
    kl_divergences,
    kl_from_shares,
    macro_f1_from_shares,
    share_cells,
    uar_from_shares,
)
from tokser.experiments.statistics.unit_sums import UnitSums, estimate, sum_cells
from tokser.experiments.task import Known, PooledScores
from tokser.label_shares import NUM_ANNOTATORS, SHARE, classes_with_shares, read_shares, winners
from tokser.progress import warn

__all__ = ["Distribution"]

_SCORES = {
    "macro_f1": macro_f1_from_shares,
    "uar": uar_from_shares,
    "accuracy": accuracy_from_shares,
}
_BY_CLASS = ("recall", "precision", "f1")


class Distribution(ClassColumns):
    """Shares of annotators by class, in the columns `label_<class>` of the utterances."""

    tables = DISTRIBUTION
    loss = "cross-entropy on shares"

    @staticmethod
    def score(sums: np.ndarray) -> np.ndarray:
        """Return the macro-F1 at the threshold 1/K."""
        return macro_f1_from_shares(sums)

    @property
    def targets(self) -> tuple[str, ...]:
        """The shares, together one target."""
        return ("shares",)

    def usable(self, utterances: pd.DataFrame, *, splits_are_given: bool) -> pd.DataFrame:
        """Return the annotated utterances, with shares as numbers of the classes that occur.

        Raises:
            InputError: Shares are missing or broken, or only one class was ever chosen.
        """
        found = read_shares(utterances, "--labels distribution")
        bare = list(found.shares.index[~found.is_annotated])
        if bare:
            warn(f"{len(bare)} utterances have no annotation and are left out: {list_some(bare)}")
        shares = found.shares[found.is_annotated]
        never = [name for name in found.classes if not shares[name].any()]
        if never:
            warn(f"no annotator chose {list_some(never)}: left out of the classes")
        kept = shares.drop(columns=never).add_prefix(SHARE)
        others = [n for n in utterances if str(n).startswith(SHARE) or n == NUM_ANNOTATORS]
        rest = utterances.drop(columns=others).loc[shares.index]
        return pd.concat([rest, kept], axis=1)

    def target_of(self, utterances: pd.DataFrame, name: str) -> pd.DataFrame:
        """Return the shares, [utterances, classes]."""
        classes = classes_with_shares(utterances.columns)
        return utterances[[f"{SHARE}{one}" for one in classes]].set_axis(classes, axis=1)

    def strata(self, known: Known) -> list[Any]:
        """Return the class of largest share; the first of equals."""
        return [str(name) for name in pd.DataFrame(known).idxmax(axis=1)]

    def sums(self, truth: np.ndarray, guess: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Return what macro-F1, divergence and top-1 scores are made of."""
        return np.asarray(share_cells(truth, np.asarray(guess, dtype=np.float64)).sum(axis=0))

    def prediction_table(
        self, target: Known, outputs: np.ndarray, classes: Sequence[str]
    ) -> pd.DataFrame:
        """Return plurality label (empty where first place is shared), top-1, and all shares."""
        shares = pd.DataFrame(target)
        guess = np.asarray(classes, dtype=object)[outputs.argmax(axis=1)]
        table = pd.DataFrame({"label": winners(shares).to_numpy(), "prediction": guess})
        for place, name in enumerate(classes):
            table[f"{SHARES}{name}"] = shares[name].to_numpy()
            table[f"{PROBABILITY}{name}"] = outputs[:, place]
        return table

    def unit_sums(
        self, predictions: Sequence[pd.DataFrame], units: SamplingUnits, classes: Sequence[str]
    ) -> UnitSums:
        """Return the sums of each unit and seed."""
        return sum_cells(predictions, units, [share_cells(*_shares(t)) for t in predictions])

    def test_scores(self, sums: UnitSums, predictions: Sequence[pd.DataFrame]) -> PooledScores:
        """Return macro-F1, divergence and top-1 scores, with intervals and chance levels."""
        columns: dict[str, Any] = {}
        missing = ""
        for name, score in _SCORES.items():
            value, interval = estimate(sums, score, "share")
            columns |= {name: value, f"{name}_low": interval.low, f"{name}_high": interval.high}
            missing = interval.missing
        value, interval = estimate(sums, kl_from_shares, "difference")
        columns |= {
            "kl_divergence": value,
            "kl_divergence_low": max(interval.low, 0.0),
            "kl_divergence_high": interval.high,
            "kl_divergence_chance": float(np.mean([_constant_kl(t) for t in predictions])),
        }
        by_seed = list(sums.sums.sum(axis=0))
        confusions = [confusion_in(one) for one in by_seed]
        columns["macro_f1_chance"] = float(np.mean([best_constant_macro_f1(s) for s in by_seed]))
        for name, metric in (("uar", uar_from_confusion), ("accuracy", accuracy_from_confusion)):
            chances = [chance_from_confusion(metric, one) for one in confusions]
            columns[f"{name}_chance"] = float(np.mean(chances))
        columns["n_plurality"] = round(float(np.mean([one.sum() for one in confusions])))
        return PooledScores(columns, missing)

    def fold_score(self, predictions: pd.DataFrame) -> float:
        """Return the macro-F1 at the threshold 1/K."""
        return float(self.score(share_cells(*_shares(predictions)).sum(axis=0)))

    def class_rows(
        self, sums: UnitSums, classes: Sequence[str], predictions: Sequence[pd.DataFrame]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Score classes at the threshold 1/K; count top-1 predictions by plurality label."""
        whole = sums.sums.sum(axis=(0, 1))
        counts, confusion = counts_in(whole), np.rint(confusion_in(whole)).astype(int)
        scored, confused = [], []
        for i, label in enumerate(classes):
            support = int(counts[i, 2])
            row: dict[str, Any] = {"label": label, "support": support}
            own = replace(sums, num_test=max(support / sums.sums.shape[1], 1.0))
            for place, name in enumerate(_BY_CLASS):

                def part(cells: np.ndarray, place: int = place, i: int = i) -> np.ndarray:
                    return np.asarray(f1_parts(counts_in(cells))[place][..., i])

                value, interval = estimate(own, part, "share")
                row |= {name: value, f"{name}_low": interval.low, f"{name}_high": interval.high}
            scored.append(row)
            confused += [
                {"label": label, "prediction": prediction, "count": int(confusion[i, j])}
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
        """Average shares; weights are the macro-F1 on dev."""
        return averaged(members, member_weights(len(members), weights))


def member_weights(number: int, on_dev: Sequence[float] | None) -> np.ndarray:
    """Return how much each member of an average counts: its dev score, or all the same."""
    given = np.ones(number) if on_dev is None else np.maximum(np.asarray(on_dev), 0.0)
    return given if given.any() else np.ones(number)


def _shares(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of annotators and the predicted ones, [utterances, classes] each."""
    truth, guess = (
        predictions[[c for c in predictions if str(c).startswith(prefix)]].to_numpy(np.float64)
        for prefix in (SHARES, PROBABILITY)
    )
    return truth, guess


def _constant_kl(predictions: pd.DataFrame) -> float:
    """Return the divergence from the mean shares, the best that is the same for all."""
    truth, _ = _shares(predictions)
    return float(kl_divergences(truth, np.broadcast_to(truth.mean(axis=0), truth.shape)).mean())
