"""The task of telling which emotions are present: several at once, or none."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tokser.errors import InputError, list_some
from tokser.experiments.class_columns import ClassColumns
from tokser.experiments.classification import PROBABILITY, averaged
from tokser.experiments.distribution import member_weights
from tokser.experiments.results import MULTILABEL, PRESENT
from tokser.experiments.statistics.presence_scores import (
    ap_by_class,
    counts_at_half,
    exact_ap,
    macro_f1_from_presence,
    mean_ap_from_presence,
    presence_sums,
)
from tokser.experiments.statistics.sampling_units import SamplingUnits
from tokser.experiments.statistics.share_scores import f1_parts, macro_f1_of_counts
from tokser.experiments.statistics.unit_sums import (
    UnitSums,
    estimate,
    interval_around,
    unit_places,
)
from tokser.experiments.task import Known, PooledScores
from tokser.label_shares import NUM_ANNOTATORS, SHARE
from tokser.progress import warn

__all__ = ["MultiLabel"]

_STRENGTH = "strength_"
"""How columns begin that corpora with graded emotions have, such as CMU-MOSEI."""
_NONE = "(none)"
"""Stratum of utterances without any emotion."""


class MultiLabel(ClassColumns):
    """Classes that are present, in columns `label_<class>` or `strength_<class>` above 0."""

    tables = MULTILABEL
    loss = "binary cross-entropy"

    @staticmethod
    def score(sums: np.ndarray) -> np.ndarray:
        """Return the mean average precision."""
        return mean_ap_from_presence(sums)

    @property
    def targets(self) -> tuple[str, ...]:
        """The classes, together one target."""
        return ("classes",)

    def usable(self, utterances: pd.DataFrame, *, splits_are_given: bool) -> pd.DataFrame:
        """Return the utterances whose cells are not all empty, 1.0 where a class is present.

        Raises:
            InputError: There are fewer than two classes that are present somewhere and absent
                elsewhere, or cells are no numbers.
        """
        prefix = next((p for p in (SHARE, _STRENGTH) if _columns(utterances, p)), SHARE)
        columns = _columns(utterances, prefix)
        cells = utterances[columns]
        known = ~cells.eq("").all(axis=1)
        numbers = cells[known].replace("", "0").apply(pd.to_numeric, errors="coerce")
        _refuse_broken(cells, numbers)
        bare = list(utterances.index[~known])
        if bare and columns:
            warn(f"{len(bare)} utterances have no classes and are left out: {list_some(bare)}")
        present = (numbers > 0).astype(np.float64)
        constant = [name for name in columns if present[name].nunique() < 2]
        if len(columns) - len(constant) < 2:
            raise InputError(
                "--labels multilabel",
                expected=f"at least two columns {SHARE}<class> or {_STRENGTH}<class>, above 0 for "
                "some utterances and 0 for others",
                got=list_some([name for name in columns if name not in constant]) or "none",
                remedy="Add them to the manifest, and extract again.",
            )
        if constant:
            names = [name.removeprefix(prefix) for name in constant]
            warn(f"{list_some(names)}: present always or never, left out of the classes")
        kept = present.drop(columns=constant)
        kept.columns = [f"{SHARE}{name.removeprefix(prefix)}" for name in kept]
        others = [n for n in utterances if str(n).startswith(SHARE) or n == NUM_ANNOTATORS]
        rest = utterances.drop(columns=others)[known]
        return pd.concat([rest, kept[sorted(kept.columns)]], axis=1)

    def target_of(self, utterances: pd.DataFrame, name: str) -> pd.DataFrame:
        """Return 1.0 where a class is present, [utterances, classes]."""
        columns = _columns(utterances, SHARE)
        return utterances[columns].set_axis([c.removeprefix(SHARE) for c in columns], axis=1)

    def strata(self, known: Known) -> list[Any]:
        """Return the first class that is present."""
        table = pd.DataFrame(known)
        first = np.asarray(table.columns, dtype=object)[table.to_numpy().argmax(axis=1)]
        return list(np.where(table.to_numpy().any(axis=1), first, _NONE))

    def sums(self, truth: np.ndarray, guess: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Return what average precision and F1 are made of."""
        return np.asarray(presence_sums(truth, np.asarray(guess, dtype=np.float64))[0])

    def prediction_table(
        self, target: Known, outputs: np.ndarray, classes: Sequence[str]
    ) -> pd.DataFrame:
        """Return the classes that are present, those predicted, and the probability of each."""
        truth = pd.DataFrame(target)
        present = truth.to_numpy() > 0
        columns = {
            "label": _joined(present, classes),
            "prediction": _joined(outputs >= 0.5, classes),
        }
        for place, name in enumerate(classes):
            columns[f"{PRESENT}{name}"] = present[:, place].astype(np.float64)
            columns[f"{PROBABILITY}{name}"] = outputs[:, place]
        return pd.DataFrame(columns)

    def unit_sums(
        self, predictions: Sequence[pd.DataFrame], units: SamplingUnits, classes: Sequence[str]
    ) -> UnitSums:
        """Return the sums of each unit and seed."""
        names, places = unit_places(predictions, units)
        sums = [
            presence_sums(*_presence(table), own, len(names))
            for table, own in zip(predictions, places, strict=True)
        ]
        num_test = float(np.mean([len(table) for table in predictions]))
        missing = units.missing([name for table in predictions for name in table["id"]])
        return UnitSums(np.stack(sums, axis=1), num_test, units.kind, missing)

    def test_scores(self, sums: UnitSums, predictions: Sequence[pd.DataFrame]) -> PooledScores:
        """Return mean average precision and macro-F1, with intervals and chance levels."""
        truths = [_presence(table) for table in predictions]
        names = _classes_of(predictions[0])
        exact = [list(exact_ap(*pair, names).values()) for pair in truths]
        value = float(np.mean([np.mean(one) for one in exact]))
        interval = interval_around(value, sums, mean_ap_from_presence, "share")
        columns: dict[str, Any] = {
            "mean_ap": value,
            "mean_ap_low": interval.low,
            "mean_ap_high": interval.high,
            "mean_ap_chance": float(np.mean([_prevalence(truth).mean() for truth, _ in truths])),
        }
        value, interval = estimate(sums, macro_f1_from_presence, "share")
        columns |= {
            "macro_f1": value,
            "macro_f1_low": interval.low,
            "macro_f1_high": interval.high,
            "macro_f1_chance": float(np.mean([_constant_f1(truth) for truth, _ in truths])),
        }
        return PooledScores(columns, interval.missing)

    def fold_score(self, predictions: pd.DataFrame) -> float:
        """Return the mean average precision."""
        return float(self.score(presence_sums(*_presence(predictions)))[0])

    def class_rows(
        self, sums: UnitSums, classes: Sequence[str], predictions: Sequence[pd.DataFrame]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Score each class: average precision, and recall, precision and F1 at 1/2."""
        exact = [exact_ap(*_presence(table), classes) for table in predictions]
        counts = counts_at_half(sums.sums.sum(axis=(0, 1)))
        total = sum(len(table) for table in predictions)
        rows = []
        for i, label in enumerate(classes):

            def ap(cells: np.ndarray, i: int = i) -> np.ndarray:
                return np.asarray(ap_by_class(cells)[..., i])

            support = int(counts[i, 2])
            value = float(np.mean([one.get(label, np.nan) for one in exact]))
            own = replace(sums, num_test=max(support / len(predictions), 1.0))
            interval = interval_around(value, own, ap, "share")
            row: dict[str, Any] = {
                "label": label,
                "average_precision": value,
                "average_precision_low": interval.low,
                "average_precision_high": interval.high,
                "average_precision_chance": support / max(total, 1),
                "support": support,
            }
            for place, name in enumerate(("recall", "precision", "f1")):

                def part(cells: np.ndarray, place: int = place, i: int = i) -> np.ndarray:
                    return np.asarray(f1_parts(counts_at_half(cells))[place][..., i])

                value, interval = estimate(own, part, "share")
                row |= {name: value, f"{name}_low": interval.low, f"{name}_high": interval.high}
            rows.append(row)
        return rows, []

    def setup(self, settings: Mapping[str, Any]) -> list[str]:
        """Say whether classes are weighted, too."""
        weighted = ["class weights"] if settings.get("class_weights") else []
        return [*weighted, *super().setup(settings)]

    def average(
        self, members: Sequence[pd.DataFrame], weights: Sequence[float] | None
    ) -> pd.DataFrame:
        """Average probabilities; weights are the mean average precision on dev."""
        found = averaged(members, member_weights(len(members), weights))
        _, guess = _presence(found)
        return found.assign(prediction=_joined(guess >= 0.5, _classes_of(found)))


def _columns(utterances: pd.DataFrame, prefix: str) -> list[str]:
    return sorted(str(c) for c in utterances if str(c).startswith(prefix) and c != prefix)


def _refuse_broken(cells: pd.DataFrame, numbers: pd.DataFrame) -> None:
    broken = [
        f"{column} of {name}: {cells.at[name, column]!r}"
        for column in numbers
        for name in numbers.index[~np.isfinite(numbers[column]) | (numbers[column] < 0)]
    ]
    if broken:
        raise InputError(
            "--labels multilabel",
            expected="numbers that are not negative, above 0 where a class is present",
            got=list_some(broken),
            remedy="Correct these cells of the manifest, and extract again.",
        )


def _joined(present: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Return names of the classes of each row, with + between."""
    names = np.asarray(classes, dtype=object)
    return np.array(["+".join(names[row]) for row in present], dtype=object)


def _classes_of(predictions: pd.DataFrame) -> list[str]:
    return [str(c).removeprefix(PRESENT) for c in predictions if str(c).startswith(PRESENT)]


def _presence(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return which classes are present, and probabilities, [utterances, classes] each."""
    truth, guess = (
        predictions[[c for c in predictions if str(c).startswith(prefix)]].to_numpy(np.float64)
        for prefix in (PRESENT, PROBABILITY)
    )
    return truth, guess


def _prevalence(truth: np.ndarray) -> np.ndarray:
    """Return how often each class is present, of those that are: the AP of any constant guess."""
    shares = truth.mean(axis=0)
    return np.asarray(shares[shares > 0])


def _constant_f1(truth: np.ndarray) -> float:
    """Return the macro-F1 of predicting every class for every utterance."""
    wanted, given = truth.sum(axis=0), np.full(truth.shape[1], float(len(truth)))
    return float(macro_f1_of_counts(np.stack([wanted, given, wanted], axis=-1)))
