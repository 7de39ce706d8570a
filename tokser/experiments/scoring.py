"""The rows of every table: scores by seed, over seeds and by class, comparisons, choices."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tokser.experiments.combinations import Outcome
from tokser.experiments.dataset import Dataset
from tokser.experiments.joined_store import CORPUS
from tokser.experiments.mixes import mix_rows
from tokser.experiments.results import Table
from tokser.experiments.splits.audit import Audit
from tokser.experiments.statistics.permutation import compare_all
from tokser.experiments.statistics.unit_sums import Score, UnitSums
from tokser.experiments.task import Task
from tokser.experiments.units import Unit

__all__ = ["compare_rows", "corpus_rows", "grouped_outcomes", "key_of", "make_rows"]

Row = dict[str, Any]


def make_rows(
    outcomes: Sequence[Outcome], dataset: Dataset, *, name: str, setup: str, seed: int
) -> dict[Table, list[Row]]:
    """Score everything that was predicted.

    Args:
        outcomes: Predictions of all units.
        dataset: Utterances, audits, and the task.
        name: Of the corpus.
        setup: What departs from the usual training, in words.
        seed: Of random swaps.

    Returns:
        The rows of every table that is made of scores.
    """
    task = dataset.task
    tables = task.tables
    scored: tuple[Table | None, ...] = (
        *(tables.scores, tables.summary, tables.classes, tables.confusion),
        *(tables.comparisons, tables.choices),
    )
    rows: dict[Table, list[Row]] = {table: [] for table in scored if table is not None}
    mixes = tables.mixes
    rows[mixes] = []

    def add(table: Table | None, made: Sequence[Row], common: Row) -> None:
        if table is not None:
            rows[table] += [common | row for row in made]

    for group in grouped_outcomes(outcomes):
        first = group[0].unit
        of_all = dataset.audits[first.protocol]
        classes = task.classes(dataset.target(first.target))
        sums: dict[str, UnitSums] = {}
        for features in dict.fromkeys(outcome.unit.features for outcome in group):
            own = [outcome for outcome in group if outcome.unit.features == features]
            tested = [outcome.predictions for outcome in own]
            sums[features] = task.unit_sums(tested, dataset.sampling_units, classes)
            key = key_of(own[0].unit, task, name, setup)
            audit = of_all.of_features(features)
            stamp = {"stamp": audit.stamp}
            by_seed = [
                _scores_of_seed(task, outcome, _sums_of_seed(dataset, sums[features], own, number))
                for number, outcome in enumerate(own)
            ]
            add(tables.scores, by_seed, key | _leaks(audit))
            over_seeds = _over_seeds(by_seed, task, sums[features], tested)
            add(tables.summary, [over_seeds], key | _leaks(audit))
            by_class, confusion = task.class_rows(sums[features], classes, tested)
            add(tables.classes, by_class, key | stamp | {"num_seeds": len(own)})
            add(tables.confusion, confusion, key | stamp | {"num_seeds": len(own)})
            add(tables.choices, list(_choices(own, task)), key | stamp)
            add(mixes, mix_rows([o.trials for o in own if o.trials is not None]), key | stamp)
        common = key_of(first, task, name, setup)
        for family in _families(group, sums, task):
            compared = compare_rows(family, task.score, seed)
            for row in compared:
                pair = f"{row['first']} + {row['second']}"
                row["stamp"] = of_all.of_features(pair).stamp
            add(tables.comparisons, compared, common)
    return rows


def corpus_rows(
    outcomes: Sequence[Outcome], dataset: Dataset, *, name: str, setup: str
) -> list[Row]:
    """Score every configuration on the test utterances of each corpus, over seeds.

    Args:
        outcomes: Predictions of all units.
        dataset: Utterances of several corpora, with the column `corpus`.
        name: Of the dataset.
        setup: What departs from the usual training, in words.
    """
    task, corpora = dataset.task, dataset.utterances[CORPUS]
    rows: list[Row] = []
    for group in grouped_outcomes(outcomes):
        first = group[0].unit
        classes = task.classes(dataset.target(first.target))
        for features in dict.fromkeys(outcome.unit.features for outcome in group):
            own = [outcome for outcome in group if outcome.unit.features == features]
            key = key_of(own[0].unit, task, name, setup)
            stamp = dataset.audits[first.protocol].of_features(features).stamp
            for corpus in corpora.unique():
                tested = [o.predictions[corpora.loc[o.predictions["id"]].eq(corpus).to_numpy()]
                          for o in own]  # fmt: skip
                if any(table.empty for table in tested):
                    continue
                sums = task.unit_sums(tested, dataset.sampling_units, classes)
                scores = _tested(task, sums, tested)
                rows.append(
                    {**key, "corpus": corpus, **scores, "num_seeds": len(own), "stamp": stamp}
                )
    return rows


def compare_rows(systems: Mapping[str, UnitSums], score: Score, seed: int) -> list[Row]:
    """Compare systems; return the columns of each pair."""
    return [
        vars(pair) | {"unit": systems[pair.first].kind, "num_units": systems[pair.first].num_units}
        for pair in compare_all(systems, score, seed=seed)
    ]


def key_of(unit: Unit, task: Task, name: str, setup: str) -> Row:
    """Return the columns that tell one configuration from another."""
    return {"dataset": name, **unit.named(task.tables), "setup": setup}


def _leaks(audit: Audit) -> Row:
    return {"leaks": " ".join(audit.leaks), "stamp": audit.stamp}


def grouped_outcomes(outcomes: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each protocol, target and head."""
    groups: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        unit = outcome.unit
        groups.setdefault((unit.protocol, unit.target, unit.head), []).append(outcome)
    yield from groups.values()


def _families(
    outcomes: Sequence[Outcome], sums: Mapping[str, UnitSums], task: Task
) -> list[dict[str, UnitSums]]:
    """Part choices by dev from what they choose among: each kind is compared with its own kind."""
    if not task.compares_choices:
        return [{name: own for name, own in sums.items() if not name.startswith("best(")}]
    choices = {o.unit.features for o in outcomes if o.num_candidates > 1}
    return [
        {name: own for name, own in sums.items() if (name in choices) is kind}
        for kind in (False, True)
    ]


def _sums_of_seed(
    dataset: Dataset, sums: UnitSums, outcomes: Sequence[Outcome], number: int
) -> UnitSums:
    """Return the sums of one seed; where seeds are summed up, over the units of all of them."""
    if dataset.task.tables.summary is not None:
        return sums.seed(number)
    outcome = outcomes[number]
    classes = dataset.task.classes(dataset.target(outcome.unit.target))
    return dataset.task.unit_sums([outcome.predictions], dataset.sampling_units, classes)


def _scores_of_seed(task: Task, outcome: Outcome, sums: UnitSums) -> Row:
    metric = task.tables.metric
    folds = pd.Series(
        [task.fold_score(part) for _, part in outcome.predictions.groupby("fold", sort=True)]
    )
    dev = list(outcome.dev_score.values())
    return {
        **_tested(task, sums, [outcome.predictions]),
        f"{metric}_fold_mean": float(folds.mean()),
        f"{metric}_fold_std": float(folds.std(ddof=1)) if len(folds) > 1 else None,
        f"dev_{metric}": float(np.mean(dev)) if dev else None,
        "num_candidates": outcome.num_candidates,
        "num_folds": len(folds),
        "seed": outcome.unit.seed,
    }


def _tested(task: Task, sums: UnitSums, predictions: Sequence[pd.DataFrame]) -> Row:
    """Score all folds' predictions together, averaged over seeds."""
    scores = task.test_scores(sums, predictions)
    return scores.columns | {
        "unit": sums.kind,
        "num_units": sums.num_units,
        "no_interval": scores.no_interval,
        "n_test": round(sums.num_test),
    }


def _over_seeds(
    by_seed: Sequence[Row], task: Task, sums: UnitSums, predictions: Sequence[pd.DataFrame]
) -> Row:
    """Return the row over seeds."""
    metric = task.tables.metric
    table = pd.DataFrame(by_seed)
    over_folds, dev = table[f"{metric}_fold_std"], table[f"dev_{metric}"]
    return {
        **by_seed[0],
        **_tested(task, sums, predictions),
        f"{metric}_fold_mean": float(table[f"{metric}_fold_mean"].mean()),
        f"{metric}_fold_std": None
        if over_folds.isna().any()
        else float((over_folds**2).mean() ** 0.5),
        f"{metric}_seed_std": float(table[metric].std(ddof=1)) if len(table) > 1 else None,
        f"dev_{metric}": None if dev.isna().any() else float(dev.mean()),
        "num_seeds": len(table),
        "seeds": " ".join(map(str, table["seed"])),
    }


def _choices(outcomes: Sequence[Outcome], task: Task) -> Iterator[Row]:
    for outcome in outcomes:
        for fold, member in outcome.selected.items():
            yield {
                "seed": outcome.unit.seed,
                "fold": fold,
                "chosen": member.features,
                f"chosen_{task.tables.head}": member.head,
                f"dev_{task.tables.metric}": outcome.dev_score[fold],
            }
