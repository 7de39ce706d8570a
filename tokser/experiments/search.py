"""One feature under one protocol: train the grid, select per fold on dev, refit, predict test."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from tokser.config import GridSettings
from tokser.experiments.grid import grid_points
from tokser.experiments.heads.mlp.batched import predict
from tokser.experiments.heads.mlp.groups import (
    Group,
    GroupMap,
    Outcome,
    Selected,
    Workers,
    map_over,
    plan_groups,
    plan_refits,
    train_groups,
)
from tokser.experiments.splits.protocols import Split
from tokser.experiments.statistics.crossfit import HalfScores, crossfit_score
from tokser.experiments.statistics.metrics import uar_from_confusion
from tokser.experiments.training_data import Material, Member

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
    "dev_uar_crossfit": "float64",
    "selected": bool,
    "num_constant": "int64",
}


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        predictions: Columns fold, id, label, prediction, probability_<class>...
        trials: A row of each point and fold: fold, the point's own columns, best_epoch, dev_uar;
            dev_uar_crossfit (see `crossfit`) of the selected one; selected; and num_constant, how
            many columns the training part leaves constant.
    """

    predictions: pd.DataFrame
    trials: pd.DataFrame

    def on_dev(self, column: str) -> dict[str, float]:
        """Return a dev score of what was selected, by fold.

        Args:
            column: Of the trials: `dev_uar_crossfit` or `dev_ccc_crossfit`.
        """
        selected = self.trials[self.trials["selected"]]
        return dict(zip(selected["fold"].astype(str), selected[column].astype(float), strict=True))


def num_models(splits: Sequence[Split], grid: GridSettings, *, refit: bool = True) -> int:
    """Count the models that a search trains."""
    return len(splits) * (len(grid_points(grid)) + refit)


def search_mlp(
    functionals: pd.DataFrame,
    labels: "pd.Series[str]",
    splits: Sequence[Split],
    grid: GridSettings,
    *,
    seed: int,
    device: torch.device,
    rounding: pd.DataFrame | None = None,
    refit: bool = True,
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
        rounding: How far rounding may have moved functionals, see `Standardiser.fit`.
        refit: Whether what each fold selected is trained again on train and dev together.
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
        roundings={"": rounding},
        refit=refit,
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
    roundings: Mapping[str, pd.DataFrame | None] | None = None,
    refit: bool = True,
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
        roundings: Of each layer; none: they are exact.
        refit: Whether what is selected is trained again on train and dev together: for as many
            epochs as the selected model had at its best, by the learning rates that it had.
        on_models: Called with the number of models trained since the last call.
        before_test: Called with the layer, too.
        workers: Processes that the groups are spread over.

    Returns:
        What `search_mlp` finds on each layer.
    """
    errors = roundings or {}
    material = Material(
        list(tables.values()),
        [errors.get(name) for name in tables],
        labels,
        splits,
        grid,
        seed,
        device,
    )
    train = _trainer(material, on_models, workers)
    trained = _train_all(material, train)
    best = _refitted(material, train, trained.best) if refit else trained.best
    models = {member[:2]: (member, model) for member, model in best.items()}
    found = {}
    for number, name in enumerate(tables):
        parts = []
        for fold, split in enumerate(splits):
            member, model = models[number, fold]
            before_test(name, split, _configuration(material, member))
            scaling = material.scaling(number, fold, with_dev=refit)
            test = scaling.apply(material.rows(number, split.test))
            probabilities = predict(model.stack, torch.from_numpy(test)[None])[0]
            parts.append(prediction_table(split, labels, probabilities, material.classes))
        trials = _trials(material, number, trained)
        found[name] = Found(pd.concat(parts, ignore_index=True), trials)
    return found


@dataclass
class _Trained:
    """What came of all models of a search.

    Attributes:
        scores: Best epoch and dev UAR of each.
        halves: The epochs that each half of dev prefers, of each.
        best: The best one of each layer and fold.
    """

    scores: dict[Member, tuple[int, float]]
    halves: dict[Member, HalfScores]
    best: dict[Member, Selected]


def _trainer(
    material: Material, on_models: Callable[[int], None], workers: Workers | None
) -> GroupMap:
    """Return what trains groups, here or by workers."""
    if workers is None:
        return lambda groups: train_groups(material, groups, on_models)
    spread = map_over(workers, material)
    return lambda groups: _counted(spread(groups), on_models)


def _train_all(material: Material, train: GroupMap) -> _Trained:
    """Train every point of every fold of every layer."""
    scores: dict[Member, tuple[int, float]] = {}
    halves: dict[Member, HalfScores] = {}
    best: dict[tuple[int, int], tuple[Member, Selected]] = {}
    for group, outcome in train(plan_groups(material)):
        told = zip(outcome.best_epoch, outcome.dev_uar, strict=True)
        scores |= zip(group.members, told, strict=True)
        halves |= zip(group.members, outcome.halves, strict=True)
        for member, model in outcome.best.items():
            before = best.get(member[:2])
            if before is None or _rank(scores, member) > _rank(scores, before[0]):
                best[member[:2]] = member, model
    return _Trained(scores, halves, dict(best.values()))


def _refitted(
    material: Material, train: GroupMap, selected: Mapping[Member, Selected]
) -> dict[Member, Selected]:
    """Train what was selected again, on train and dev."""
    outcomes = train(plan_refits(material, selected))
    return {member: model for _, outcome in outcomes for member, model in outcome.best.items()}


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


def _trials(material: Material, table: int, trained: _Trained) -> pd.DataFrame:
    points, folds = range(len(material.points)), range(len(material.splits))
    crossfit = [
        crossfit_score(
            [trained.halves[Member(table, fold, point)] for point in points], uar_from_confusion
        )
        for fold in folds
    ]
    constant = [int(material.scaling(table, fold).is_constant.sum()) for fold in folds]
    rows: list[tuple[Any, ...]] = []
    for point, fold in itertools.product(points, folds):
        member = Member(table, fold, point)
        is_selected = member in trained.best
        rows.append(
            (
                material.splits[fold].fold,
                *material.points[point].told.values(),
                *trained.scores[member],
                crossfit[fold] if is_selected else np.nan,
                is_selected,
                constant[fold],
            )
        )
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
