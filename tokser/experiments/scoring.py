"""The tables that users read: scores by seed and over seeds, by class, and compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from tokser.experiments.dataset import Material
from tokser.experiments.outcomes import Outcome, fold_scores
from tokser.experiments.results import CLASSIFICATION, Table
from tokser.experiments.splits.audit import Audit
from tokser.experiments.statistics.metrics import (
    accuracy_from_confusion,
    macro_f1_from_confusion,
    uar_from_confusion,
    weighted_f1_from_confusion,
)
from tokser.experiments.statistics.permutation import compare_all
from tokser.experiments.statistics.unit_sums import Score, UnitSums, estimate, sum_classes

__all__ = ["COLUMNS", "Tables", "compare_rows", "fold_spread", "make_tables"]


def _names(table: Table | None) -> list[str]:
    return [] if table is None else table.names


_POOLED = {
    "uar": uar_from_confusion,
    "accuracy": accuracy_from_confusion,
    "macro_f1": macro_f1_from_confusion,
}
"""Scores of all folds' predictions together, which get an interval and a chance level."""
_BY_CLASS = ("recall", "precision", "f1")
COLUMNS = {
    "results": CLASSIFICATION.scores.names,
    "summary": _names(CLASSIFICATION.summary),
    "classes": _names(CLASSIFICATION.classes),
    "confusion": _names(CLASSIFICATION.confusion),
    "comparisons": CLASSIFICATION.comparisons.names,
    "choices": CLASSIFICATION.choices.names,
}
"""Of each CSV file, in order."""


@dataclass(frozen=True)
class Tables:
    """Rows of every table, as they are collected.

    Attributes:
        results: One row for each feature set, protocol, classifier and seed.
        summary: The same over seeds.
        classes: One row for each of those and each class.
        confusion: One row for each of those, each label and each prediction.
        comparisons: One row for each pair of feature sets.
        choices: One row for each fold in which dev chose among feature sets.
    """

    results: list[dict[str, Any]] = field(default_factory=list)
    summary: list[dict[str, Any]] = field(default_factory=list)
    classes: list[dict[str, Any]] = field(default_factory=list)
    confusion: list[dict[str, Any]] = field(default_factory=list)
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    choices: list[dict[str, Any]] = field(default_factory=list)


def make_tables(
    outcomes: Sequence[Outcome], material: Material, *, dataset: str, setup: str, seed: int
) -> Tables:
    """Score everything that was predicted.

    Args:
        outcomes: Predictions of all units.
        material: Utterances and audits.
        dataset: Name of the dataset.
        setup: What departs from the usual training, in words.
        seed: Of random swaps.
    """
    tables = Tables()
    classes = sorted(set(material.utterances["label"]))
    for (protocol, classifier), group in _grouped(outcomes):
        audit = material.audits[protocol]
        sums: dict[str, UnitSums] = {}
        for features in dict.fromkeys(outcome.unit.features for outcome in group):
            mine = [outcome for outcome in group if outcome.unit.features == features]
            tested = [outcome.predictions for outcome in mine]
            sums[features] = sum_classes(tested, material.sampling_units, classes)
            key = {
                "dataset": dataset, "features": features, "protocol": protocol,
                "classifier": classifier, "setup": setup,
            }  # fmt: skip
            _add_scores(tables, key, mine, sums[features], _told(audit))
            _add_classes(tables, key, sums[features], classes, audit.stamp)
            tables.choices.extend(_choices(key, mine, audit.stamp))
        tables.comparisons.extend(
            {"dataset": dataset, "protocol": protocol, "classifier": classifier, "setup": setup}
            | row
            for family in _families(group, sums)
            for row in compare_rows(family, uar_from_confusion, audit.stamp, seed)
        )
    return tables


def compare_rows(
    systems: Mapping[str, UnitSums], score: Score, stamp: str, seed: int
) -> list[dict[str, Any]]:
    """Compare systems; return the columns of each pair."""
    rows = []
    for found in compare_all(systems, score, seed=seed):
        sums = systems[found.first]
        told = {"unit": sums.kind, "num_units": sums.num_units, "stamp": stamp}
        rows.append(vars(found) | told)
    return rows


def fold_spread(values: "pd.Series[float]", name: str) -> dict[str, float | None]:
    """Return mean and standard deviation over folds; one fold has no deviation."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return {f"{name}_fold_mean": float(values.mean()), f"{name}_fold_std": spread}


def _grouped(outcomes: Sequence[Outcome]) -> Iterator[tuple[tuple[str, str], list[Outcome]]]:
    def key(outcome: Outcome) -> tuple[str, str]:
        return outcome.unit.protocol, outcome.unit.classifier

    order = list(dict.fromkeys(map(key, outcomes)))
    ordered = sorted(outcomes, key=lambda outcome: order.index(key(outcome)))
    for found, group in groupby(ordered, key):
        yield found, list(group)


def _families(
    outcomes: Sequence[Outcome], sums: Mapping[str, UnitSums]
) -> list[dict[str, UnitSums]]:
    """Part choices by dev from what they choose among: each kind is compared with its own kind."""
    choices = {o.unit.features for o in outcomes if o.num_candidates > 1}
    return [
        {name: found for name, found in sums.items() if (name in choices) is kind}
        for kind in (False, True)
    ]


def _add_scores(
    tables: Tables,
    key: Mapping[str, Any],
    outcomes: Sequence[Outcome],
    sums: UnitSums,
    told: Mapping[str, Any],
) -> None:
    """Add the rows of each seed, and the one over seeds."""
    rows = [
        {**key, **told, **_pooled(sums.seed(number)), **_by_fold(outcome)}
        for number, outcome in enumerate(outcomes)
    ]
    tables.results.extend(rows)
    table = pd.DataFrame(rows)
    over_folds = table["uar_fold_std"]
    over = {
        "uar_fold_mean": float(table["uar_fold_mean"].mean()),
        "uar_fold_std": None if over_folds.isna().any() else float((over_folds**2).mean() ** 0.5),
        "uar_seed_std": float(table["uar"].std(ddof=1)) if len(table) > 1 else None,
        "dev_uar": None if table["dev_uar"].isna().any() else float(table["dev_uar"].mean()),
        "num_seeds": len(table),
        "seeds": " ".join(map(str, table["seed"])),
    }
    tables.summary.append({**rows[0], **_pooled(sums), **over})


def _pooled(sums: UnitSums) -> dict[str, Any]:
    """Score all folds' predictions together, averaged over seeds."""
    found: dict[str, Any] = {}
    for name, score in _POOLED.items():
        value, interval = estimate(sums, score, "share")
        found |= {name: value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        found |= {f"{name}_chance": sums.chance(score)}
    found |= {"unit": sums.kind, "num_units": sums.num_units, "no_interval": interval.missing}
    found["weighted_f1"] = float(weighted_f1_from_confusion(sums.sums.sum(axis=0)).mean())
    return found | {"n_test": round(sums.num_test)}


def _by_fold(outcome: Outcome) -> dict[str, Any]:
    folds = fold_scores(outcome.predictions)
    dev = list(outcome.dev_uar.values())
    return {
        **fold_spread(folds["uar"], "uar"),
        "dev_uar": float(np.mean(dev)) if dev else None,
        "num_candidates": outcome.num_candidates,
        "num_folds": len(folds),
        "seed": outcome.unit.seed,
    }


def _add_classes(
    tables: Tables, key: Mapping[str, Any], sums: UnitSums, classes: Sequence[str], stamp: str
) -> None:
    """Score classes, and count confusions, over all folds and seeds together."""
    counts = np.rint(sums.sums.sum(axis=(0, 1))).astype(int)
    num_seeds = sums.sums.shape[1]
    common = {**key, "num_seeds": num_seeds, "stamp": stamp}
    for i, label in enumerate(classes):
        row: dict[str, Any] = {**common, "label": label, "support": int(counts[i].sum())}
        for name, parts in zip(_BY_CLASS, _parts_of_class(sums.sums, i), strict=True):
            one = replace(sums, sums=parts, num_test=max(row["support"] / num_seeds, 1.0))
            value, interval = estimate(one, _ratio, "share")
            row |= {name: value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        tables.classes.append(row)
        tables.confusion.extend(
            {**common, "label": label, "prediction": prediction, "count": int(counts[i, j])}
            for j, prediction in enumerate(classes)
        )


def _parts_of_class(
    counts: Float[np.ndarray, "units seeds truth prediction"], i: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what recall, precision and F1 of a class are the ratio of, [units, seeds, 2] each."""
    hits, truth, guessed = counts[..., i, i], counts[..., i, :].sum(-1), counts[..., i].sum(-1)
    return (
        np.stack([hits, truth], axis=-1),
        np.stack([hits, guessed], axis=-1),
        np.stack([2 * hits, truth + guessed], axis=-1),
    )


def _ratio(sums: Float[np.ndarray, "*sets 2"]) -> np.ndarray:
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1))


def _choices(
    key: Mapping[str, Any], outcomes: Sequence[Outcome], stamp: str
) -> Iterator[dict[str, Any]]:
    for outcome in outcomes:
        for fold, member in outcome.chosen.items():
            yield {
                **key, "seed": outcome.unit.seed, "fold": fold, "chosen": member.features,
                "chosen_classifier": member.classifier, "dev_uar": outcome.dev_uar[fold],
                "stamp": stamp,
            }  # fmt: skip


def _told(audit: Audit) -> dict[str, str]:
    return {"leaks": " ".join(audit.leaks), "stamp": audit.stamp}
