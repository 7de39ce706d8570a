"""The tables that users read: scores by seed and over seeds, by class, and compared."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from tokser.classify.audit import Audit
from tokser.classify.intervals import draw_speakers, interval
from tokser.classify.metrics import confusion_of, score, score_classes
from tokser.classify.paired import compare_all
from tokser.classify.tally import Tally, tally_classes
from tokser.stages.classify.material import Material
from tokser.stages.classify.outcomes import Outcome, fold_scores

__all__ = ["COLUMNS", "Tables", "make_tables"]

_KEY = ("dataset", "features", "protocol", "classifier", "setup")
_SCORED = (
    *("uar", "uar_std", "uar_low", "uar_high", "uar_pooled", "accuracy", "macro_f1", "weighted_f1"),
    *("dev_uar", "n_test", "num_folds", "num_speakers", "leaks", "stamp"),
)
COLUMNS = {
    "results": (*_KEY, *_SCORED, "seed"),
    "summary": (*_KEY, *_SCORED, "uar_seed_std", "num_seeds", "seeds"),
    "classes": (*_KEY, "label", "recall", "precision", "f1", "support", "num_seeds", "stamp"),
    "confusion": (*_KEY, "label", "prediction", "count", "num_seeds", "stamp"),
    "comparisons": (
        *("dataset", "protocol", "classifier", "setup", "first", "second"),
        *("difference", "low", "high", "p", "p_holm", "num_speakers", "stamp"),
    ),
    "choices": (*_KEY, "seed", "fold", "chosen", "dev_uar", "stamp"),
}
"""Of each CSV file, in order."""

_SCORES = ["uar", "accuracy", "macro_f1", "weighted_f1"]


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

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []
        self.summary: list[dict[str, Any]] = []
        self.classes: list[dict[str, Any]] = []
        self.confusion: list[dict[str, Any]] = []
        self.comparisons: list[dict[str, Any]] = []
        self.choices: list[dict[str, Any]] = []


def make_tables(
    outcomes: Sequence[Outcome], material: Material, *, dataset: str, setup: str, seed: int
) -> Tables:
    """Score everything that was predicted.

    Args:
        outcomes: Predictions of all units.
        material: Utterances and audits.
        dataset: Name of the dataset.
        setup: What departs from the usual training, in words.
        seed: Of bootstrap and random swaps.
    """
    tables = Tables()
    for (protocol, classifier), group in _grouped(outcomes):
        clusters, classes = _clusters(group, material), sorted(set(material.utterances["label"]))
        weights = draw_speakers(len(clusters), seed=seed)
        tallies: dict[str, list[Tally]] = {}
        audit = material.audits[protocol]
        for features in dict.fromkeys(outcome.unit.features for outcome in group):
            mine = [outcome for outcome in group if outcome.unit.features == features]
            tallies[features] = [
                tally_classes(outcome.predictions, material.speakers, clusters, classes)
                for outcome in mine
            ]
            key = {
                "dataset": dataset, "features": features, "protocol": protocol,
                "classifier": classifier, "setup": setup,
            }  # fmt: skip
            rows = [
                key | _scores(outcome, audit, len(clusters), [tally], weights)
                for outcome, tally in zip(mine, tallies[features], strict=True)
            ]
            tables.results += rows
            tables.summary.append(_over_seeds(rows, tallies[features], weights))
            _add_classes(tables, key | {"stamp": audit.stamp}, mine, classes)
            tables.choices += [
                key
                | {"seed": o.unit.seed, "fold": fold, "chosen": name}
                | {"dev_uar": o.dev_uar[fold], "stamp": audit.stamp}
                for o in mine
                for fold, name in o.chosen.items()
            ]
        tables.comparisons += [
            {"dataset": dataset, "protocol": protocol, "classifier": classifier, "setup": setup}
            | {"num_speakers": len(clusters)}
            | vars(found)
            | {"stamp": audit.stamp}
            for family in _families(tallies)
            for found in compare_all(family, weights, seed=seed)
        ]
    return tables


def _grouped(outcomes: Sequence[Outcome]) -> Iterator[tuple[tuple[str, str], list[Outcome]]]:
    def key(outcome: Outcome) -> tuple[str, str]:
        return outcome.unit.protocol, outcome.unit.classifier

    order = list(dict.fromkeys(map(key, outcomes)))
    ordered = sorted(outcomes, key=lambda outcome: order.index(key(outcome)))
    for found, group in groupby(ordered, key):
        yield found, list(group)


def _families(tallies: Mapping[str, list[Tally]]) -> list[dict[str, list[Tally]]]:
    """Part choices by dev from what they choose among: each kind is compared with its own kind."""
    is_choice = {name: name.startswith("best(") for name in tallies}
    return [
        {name: found for name, found in tallies.items() if is_choice[name] is kind}
        for kind in (False, True)
    ]


def _clusters(outcomes: Sequence[Outcome], material: Material) -> list[str]:
    tested = sorted({name for outcome in outcomes for name in outcome.predictions["id"]})
    return sorted(set(material.speakers.loc[tested]))


def _scores(
    outcome: Outcome, audit: Audit, num_speakers: int, tallies: list[Tally], weights: np.ndarray
) -> dict[str, Any]:
    """Average the scores over folds."""
    folds = fold_scores(outcome.predictions)
    pooled = score(
        outcome.predictions["label"].tolist(), outcome.predictions["prediction"].tolist()
    )
    low, high = interval(tallies, weights)
    return {
        **folds[_SCORES].mean().to_dict(),
        "uar_std": float(folds["uar"].std(ddof=1)) if len(folds) > 1 else None,
        "uar_low": low,
        "uar_high": high,
        "uar_pooled": pooled.uar,
        "dev_uar": float(np.mean(list(outcome.dev_uar.values()))) if outcome.dev_uar else None,
        "n_test": int(folds["num_test"].sum()),
        "num_folds": len(folds),
        "num_speakers": num_speakers,
        "leaks": " ".join(audit.leaks),
        "stamp": audit.stamp,
        "seed": outcome.unit.seed,
    }


def _over_seeds(
    rows: Sequence[dict[str, Any]], tallies: Sequence[Tally], weights: np.ndarray
) -> dict[str, Any]:
    """Average rows that differ in their seed; the interval is that of the average."""
    table = pd.DataFrame(rows)
    low, high = interval(tallies, weights)
    averaged: dict[str, Any] = table[[*_SCORES, "uar_pooled"]].mean().to_dict()
    over_folds = None if table["uar_std"].isna().any() else (table["uar_std"] ** 2).mean() ** 0.5
    over_seeds = float(table["uar"].std(ddof=1)) if len(table) > 1 else None
    dev = None if table["dev_uar"].isna().any() else float(table["dev_uar"].mean())
    kept = {k: v for k, v in rows[0].items() if k not in ("seed", "uar_std", "dev_uar")}
    return (
        kept
        | averaged
        | {"uar_std": over_folds, "uar_seed_std": over_seeds, "uar_low": low, "uar_high": high}
        | {"dev_uar": dev, "num_seeds": len(table), "seeds": " ".join(map(str, table["seed"]))}
    )


def _add_classes(
    tables: Tables, key: dict[str, Any], outcomes: Sequence[Outcome], classes: Sequence[str]
) -> None:
    """Score classes, and count confusions, over all folds and seeds together."""
    predictions = pd.concat([outcome.predictions for outcome in outcomes])
    truth, guess = predictions["label"].tolist(), predictions["prediction"].tolist()
    key = key | {"num_seeds": len(outcomes)}
    tables.classes += [
        key
        | {"label": found.name, "recall": found.recall, "precision": found.precision}
        | {"f1": found.f1, "support": found.support}
        for found in score_classes(truth, guess, classes)
    ]
    counts = confusion_of(truth, guess, classes)
    tables.confusion += [
        key | {"label": label, "prediction": prediction, "count": int(counts[i, j])}
        for i, label in enumerate(classes)
        for j, prediction in enumerate(classes)
    ]
