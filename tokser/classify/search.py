"""One feature under one protocol: train the grid, select per fold on dev, predict test."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from tokser.classify.grid import grid_points
from tokser.classify.groups import (
    Group,
    Material,
    Member,
    Outcome,
    Workers,
    map_over,
    plan_groups,
    train_groups,
)
from tokser.classify.mlp import Stack
from tokser.classify.protocols import Split
from tokser.classify.stacked import predict
from tokser.config import GridSettings

__all__ = [
    "Chosen",
    "Found",
    "num_models",
    "prediction_table",
    "search_layers",
    "search_mlp",
]

Chosen = dict[str, Any]
"""A point as the ledger names it."""

_TRIAL_TYPES = {
    "fold": str,
    "batch_size": "int64",
    "learning_rate": "float64",
    "hidden": str,
    "best_epoch": "int64",
    "dev_uar": "float64",
    "selected": bool,
}


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        predictions: Columns fold, id, label, prediction, probability_<class>...
        trials: Columns fold, batch_size, learning_rate, hidden, best_epoch, dev_uar, selected.
    """

    predictions: pd.DataFrame
    trials: pd.DataFrame


def num_models(splits: Sequence[Split], grid: GridSettings) -> int:
    """Count the models that a search trains."""
    return len(splits) * len(grid_points(grid))


def search_mlp(
    functionals: pd.DataFrame,
    labels: "pd.Series[str]",
    splits: Sequence[Split],
    grid: GridSettings,
    *,
    seed: int,
    device: torch.device,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[Split, Chosen], None] = lambda split, chosen: None,
    workers: Workers | None = None,
) -> Found:
    """Search the grid; each fold selects by its own dev UAR, the first best in grid order.

    Args:
        functionals: [utterances, features], index = id.
        labels: Emotion of each utterance, index = id.
        splits: The folds.
        grid: Points and training.
        seed: Of weights and order.
        device: Where it runs.
        on_models: Called with the number of models trained since the last call.
        before_test: Called with the split and the selected point before its test is looked at.
        workers: Processes that the groups are spread over; none: this one.
    """
    found = search_layers(
        {"": functionals},
        labels,
        splits,
        grid,
        seed=seed,
        device=device,
        on_models=on_models,
        before_test=lambda _, split, chosen: before_test(split, chosen),
        workers=workers,
    )
    return found[""]


def search_layers(
    tables: Mapping[str, pd.DataFrame],
    labels: "pd.Series[str]",
    splits: Sequence[Split],
    grid: GridSettings,
    *,
    seed: int,
    device: torch.device,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[str, Split, Chosen], None] = lambda layer, split, chosen: None,
    workers: Workers | None = None,
) -> dict[str, Found]:
    """Search the grid on several layers at once: a layer is one more axis of what is trained.

    Args:
        tables: Functionals of each layer by its name; layers that are stacked are equally wide.
        labels: See `search_mlp`, as all below.
        splits: The folds.
        grid: Points and training.
        seed: Of weights and order; equal for all layers.
        device: Where it runs.
        on_models: Called with the number of models trained since the last call.
        before_test: Called with the layer, too.
        workers: Processes that the groups are spread over.

    Returns:
        What `search_mlp` finds on each layer.
    """
    material = Material(list(tables.values()), labels, splits, grid, seed, device)
    scores, best = _train_all(material, on_models, workers)
    found = {}
    for number, name in enumerate(tables):
        parts, chosen = [], set()
        for fold, split in enumerate(splits):
            member, stack = best[number, fold]
            chosen.add(member)
            before_test(name, split, _configuration(material, member))
            test = material.scaling(number, fold).apply(material.rows(number, split.test))
            probabilities = predict(stack, torch.from_numpy(test)[None])[0]
            parts.append(prediction_table(split, labels, probabilities, material.classes))
        trials = _trials(material, number, scores, chosen)
        found[name] = Found(pd.concat(parts, ignore_index=True), trials)
    return found


def _train_all(
    material: Material, on_models: Callable[[int], None], workers: Workers | None
) -> tuple[dict[Member, tuple[int, float]], dict[tuple[int, int], tuple[Member, Stack]]]:
    """Train everything; return best epoch and dev UAR of each model, and the best of each fold."""
    scores: dict[Member, tuple[int, float]] = {}
    best: dict[tuple[int, int], tuple[Member, Stack]] = {}
    groups = plan_groups(material)
    if workers is None:
        outcomes: Iterable[tuple[Group, Outcome]] = train_groups(material, groups, on_models)
    else:
        outcomes = _counted(map_over(workers, material)(groups), on_models)
    for group, outcome in outcomes:
        told = zip(outcome.best_epoch, outcome.dev_uar, strict=True)
        scores |= zip(group.members, told, strict=True)
        for member, stack in outcome.best.items():
            before = best.get(member[:2])
            if before is None or _rank(scores, member) > _rank(scores, before[0]):
                best[member[:2]] = member, stack
    return scores, best


def _counted(
    outcomes: Iterable[tuple[Group, Outcome]], on_models: Callable[[int], None]
) -> Iterator[tuple[Group, Outcome]]:
    for group, outcome in outcomes:
        on_models(len(group.members))
        yield group, outcome


def _rank(scores: Mapping[Member, tuple[int, float]], member: Member) -> tuple[float, int]:
    return scores[member][1], -member.point


def _configuration(material: Material, member: Member) -> Chosen:
    """Name what a fold selected; the widths only where there was a choice."""
    point = material.points[member.point]
    if len({point.hidden for point in material.points}) > 1:
        return point.told
    return {key: value for key, value in point.told.items() if key != "hidden"}


def _trials(
    material: Material,
    table: int,
    scores: Mapping[Member, tuple[int, float]],
    selected: Set[Member],
) -> pd.DataFrame:
    rows = []
    members = (
        Member(table, fold, point)
        for point in range(len(material.points))
        for fold in range(len(material.splits))
    )
    for member in members:
        point, fold = material.points[member.point], material.splits[member.fold].fold
        rows.append((fold, *point.told.values(), *scores[member], member in selected))
    return pd.DataFrame(rows, columns=list(_TRIAL_TYPES)).astype(_TRIAL_TYPES)


def prediction_table(
    split: Split, labels: "pd.Series[str]", probabilities: np.ndarray, classes: tuple[str, ...]
) -> pd.DataFrame:
    """Make the table of one fold's predictions.

    Args:
        split: The fold.
        labels: Emotion of each utterance, index = id.
        probabilities: Of its test part, [test, classes].
        classes: Names of the columns.

    Returns:
        Columns fold, id, label, prediction, probability_<class>...
    """
    table = pd.DataFrame(
        {
            "fold": split.fold,
            "id": list(split.test),
            "label": labels.loc[list(split.test)].to_numpy(),
            "prediction": [classes[i] for i in probabilities.argmax(axis=1)],
        }
    )
    for column, name in enumerate(classes):
        table[f"probability_{name}"] = probabilities[:, column]
    return table
