"""Scores by group of a whole experiment, as files of its folder."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tokser.experiments.combinations import Outcome
from tokser.experiments.dataset import Dataset
from tokser.experiments.fairness.groupings import Grouping
from tokser.experiments.fairness.scores import Predicted, gap_rows, group_rows
from tokser.experiments.fairness.tables import gaps_table, groups_table
from tokser.experiments.scoring import grouped_outcomes, key_of

__all__ = ["fairness_files", "tested_by"]


def fairness_files(
    outcomes: Sequence[Outcome],
    dataset: Dataset,
    groupings: Sequence[Grouping],
    *,
    name: str,
    setup: str,
    seed: int,
) -> dict[str, bytes]:
    """Return `groups.csv` and `gaps.csv`; nothing where there is no column to group by.

    Args:
        outcomes: Predictions of all units.
        dataset: Utterances, audits, and the task.
        groupings: By which columns.
        name: Of the corpus.
        setup: What departs from the usual training, in words.
        seed: Of random permutations.
    """
    if not groupings:
        return {}
    task = dataset.task
    groups: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    for own in grouped_outcomes(outcomes):
        systems: dict[str, Predicted] = {}
        keys: dict[str, dict[str, Any]] = {}
        for features in dict.fromkeys(outcome.unit.features for outcome in own):
            mine = [outcome for outcome in own if outcome.unit.features == features]
            systems[features] = tested_by(mine, dataset)
            stamp = dataset.audits[mine[0].unit.protocol].of_features(features).stamp
            keys[features] = {**key_of(mine[0].unit, task, name, setup), "stamp": stamp}
            for grouping in groupings:
                rows = group_rows(systems[features], grouping)
                groups += [{**row, **keys[features]} for row in rows]
        for features, found in gap_rows(systems, groupings, seed=seed).items():
            gaps += [{**row, **keys[features]} for row in found]
    tables = ((groups_table(task.tables), groups), (gaps_table(task.tables), gaps))
    return {table.file: table.content(pd.DataFrame(own)) for table, own in tables if own}


def tested_by(outcomes: Sequence[Outcome], dataset: Dataset) -> Predicted:
    """Return what one configuration predicted, over seeds."""
    classes = dataset.task.classes(dataset.target(outcomes[0].unit.target))
    predictions = [outcome.predictions for outcome in outcomes]
    return Predicted(dataset.task, classes, predictions, dataset.utterances)
