"""The comparison of results folders: scores side by side, and paired tests."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tokser.experiments.classification import Classification
from tokser.experiments.distribution import Distribution
from tokser.experiments.multilabel import MultiLabel
from tokser.experiments.regression import Regression
from tokser.experiments.results import PRESENT, SHARES
from tokser.experiments.statistics.permutation import Comparison, compare_pairs
from tokser.experiments.statistics.sampling_units import SamplingUnits, find_sampling_units
from tokser.experiments.statistics.unit_sums import UnitSums
from tokser.experiments.task import Task
from tokser.report.compare_results.chosen import chosen_on_dev
from tokser.report.compare_results.folders import read_folders
from tokser.report.compare_results.matching import Family, System, match
from tokser.report.compare_results.settings import settings_that_differ, store_of
from tokser.report.inputs import Experiment

__all__ = ["CompareResults", "compare_folders"]

_SEPARATOR = "\0"


@dataclass(frozen=True)
class CompareResults:
    """Several results folders side by side.

    Attributes:
        folders: What was read, by the name that the folder has in the tables.
        settings: A row for each setting, feature's provenance or version that differs.
        scores: A row for each protocol, target, configuration and folder, on common utterances.
        tests: A row for each pair of folders that have a configuration in common.
        families: What was matched under each protocol and target.
    """

    folders: Mapping[str, Experiment]
    settings: pd.DataFrame
    scores: pd.DataFrame
    tests: pd.DataFrame
    families: Sequence[Family]


def compare_folders(folders: Sequence[Path], *, seed: int = 0) -> CompareResults:
    """Compare results folders of one corpus and task.

    Configurations are matched by protocol, target, features and head. All scores of a protocol and
    target, and the tests between them, are on the test utterances that every folder predicted.

    Args:
        folders: At least two.
        seed: Of random swaps, with more than 13 test speakers.

    Raises:
        SettingsError: There are fewer than two different folders.
        InputError: Folders are of different corpora or tasks, have other labels, or are damaged.
    """
    read = read_folders(folders)
    families = match(read, chosen_on_dev(read))
    scores: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    task = _task_of(read)
    for family in families:
        if family.problem:
            continue
        sums = _sums(family, task, _units(read, family))
        scores += _score_rows(family, task, sums)
        tests += _test_rows(family, task, sums, seed)
    metric = task.tables.metric
    return CompareResults(
        folders=read,
        settings=settings_that_differ(read),
        scores=pd.DataFrame(scores, columns=[*_KEYS, "folder", "label", metric, *_SCORED]),
        tests=pd.DataFrame(tests, columns=[*_KEYS, "first", "second", *_TESTED]),
        families=families,
    )


_KEYS = ("protocol", "target", "configuration")
_SCORED = ("low", "high", "no_interval", "n", "num_seeds")
_TESTED = ("difference", "low", "high", "p", "p_adjusted", "no_test", "unit", "num_units", "n")


def _task_of(folders: Mapping[str, Experiment]) -> Task:
    tables = next(iter(folders.values())).tables
    if tables.task == "regression":
        targets = {name: None for one in folders.values() for name in one.scores["target"]}
        return Regression(list(targets))
    made: dict[str, type[Task]] = {
        "classification": Classification, "distribution": Distribution, "multilabel": MultiLabel,
    }  # fmt: skip
    return made[tables.task]()


def _units(folders: Mapping[str, Experiment], family: Family) -> SamplingUnits:
    """Return the speakers or sessions of test utterances: from a store, or from the folds.

    Under leave one speaker out, folds are called as their speaker or session.
    """
    ids = {
        name for one in _systems(family) for table in one.by_seed.values() for name in table.index
    }
    for one in folders.values():
        store = store_of(one)
        if store is not None and ids <= set(store.utterances.index):
            return find_sampling_units(store.utterances)
    first = next(iter(_systems(family)))
    table = pd.concat(list(first.by_seed.values()))
    table = table[~table.index.duplicated()]
    kind = str(next(iter(folders.values())).scores.get("unit", pd.Series(["speaker"])).iloc[0])
    is_named = family.protocol == "speaker"
    by_id = table["fold"].astype(str) if is_named else pd.Series("", table.index)
    return SamplingUnits(kind or "speaker", by_id)


def _systems(family: Family) -> Iterator[System]:
    for own in family.systems.values():
        yield from own.values()


def _sums(
    family: Family, task: Task, units: SamplingUnits
) -> dict[tuple[str, str], tuple[UnitSums, list[pd.DataFrame]]]:
    """Return the sums of each configuration and folder, with the tables behind them."""
    classes = _classes(family, task)
    found = {}
    for label, own in family.systems.items():
        for name, one in own.items():
            tables = [table.reset_index(drop=True) for table in one.by_seed.values()]
            found[label, name] = task.unit_sums(tables, units, classes), tables
    return found


def _classes(family: Family, task: Task) -> list[str]:
    tables = [table for one in _systems(family) for table in one.by_seed.values()]
    if task.tables.task == "regression":
        return []
    if task.tables.task == "classification":
        return sorted({str(one) for t in tables for c in ("label", "prediction") for one in t[c]})
    prefix = SHARES if task.tables.task == "distribution" else PRESENT
    return [str(name).removeprefix(prefix) for name in tables[0] if str(name).startswith(prefix)]


def _score_rows(
    family: Family,
    task: Task,
    sums: Mapping[tuple[str, str], tuple[UnitSums, list[pd.DataFrame]]],
) -> Iterator[dict[str, Any]]:
    metric = task.tables.metric
    for (label, name), (own, tables) in sums.items():
        scored = task.test_scores(own, tables)
        yield {
            **_key(family, label),
            "folder": name,
            "label": family.systems[label][name].label,
            metric: scored.columns[metric],
            "low": scored.columns[f"{metric}_low"],
            "high": scored.columns[f"{metric}_high"],
            "no_interval": scored.no_interval,
            "n": family.num_common,
            "num_seeds": len(tables),
        }


def _test_rows(
    family: Family,
    task: Task,
    sums: Mapping[tuple[str, str], tuple[UnitSums, list[pd.DataFrame]]],
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Test every configuration between every two folders that have it, all pairs together."""
    pairs = {}
    for label, own in family.systems.items():
        for first, second in itertools.combinations(own, 2):
            names = (f"{label}{_SEPARATOR}{first}", f"{label}{_SEPARATOR}{second}")
            pairs[names] = _same_seeds(sums[label, first][0], sums[label, second][0])
    for found in compare_pairs(pairs, task.score, seed=seed):
        label, first = found.first.split(_SEPARATOR)
        one = pairs[found.first, found.second][0]
        yield {
            **_key(family, label),
            "first": first,
            "second": found.second.split(_SEPARATOR)[1],
            **_tested(found),
            "unit": one.kind,
            "num_units": one.num_units,
            "n": family.num_common,
        }


def _tested(found: Comparison) -> dict[str, Any]:
    names = ("difference", "low", "high", "p", "p_adjusted", "no_test")
    return {name: getattr(found, name) for name in names}


def _key(family: Family, label: str) -> dict[str, str]:
    return {"protocol": family.protocol, "target": family.target, "configuration": label}


def _same_seeds(first: UnitSums, second: UnitSums) -> tuple[UnitSums, UnitSums]:
    """Return sums of as many seeds: one alone stands for each, else the first ones are taken."""
    counts = first.sums.shape[1], second.sums.shape[1]
    if counts[0] == counts[1]:
        return first, second
    number = max(counts) if 1 in counts else min(counts)

    def of(one: UnitSums) -> UnitSums:
        if one.sums.shape[1] == 1:
            return replace(one, sums=np.repeat(one.sums, number, axis=1))
        return replace(one, sums=one.sums[:, :number])

    return of(first), of(second)
