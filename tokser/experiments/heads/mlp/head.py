"""The paper's feedforward classifier, whole grids of it at once, and the linear probe."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tokser.config import GridSettings
from tokser.experiments.grid import grid_at, grid_points
from tokser.experiments.heads.head import Choice, FittedFold, Fitting, Head, Workers
from tokser.experiments.heads.losses import LOSSES
from tokser.experiments.heads.mlp.groups import (
    Group,
    GroupMap,
    GroupResult,
    Member,
    TrainedModel,
    map_over,
    plan_groups,
    plan_refits,
    schedule_of,
    train_groups,
)
from tokser.experiments.heads.mlp.trained import TrainedMLP
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.search_space import Space, space_of_grid
from tokser.experiments.splits.protocols import Split
from tokser.experiments.statistics.crossfit import HalfScores, crossfit_score
from tokser.experiments.training_data import TrainingData

__all__ = ["MLPHead"]


class MLPHead(Head):
    """`mlp`, and without hidden layers `linear`: Adam, plateau, best epoch by dev score.

    Args:
        hidden: Widths of the blocks instead of the grid's; none of them: a linear probe.

    Source: paper, section 4.3.
    """

    losses = frozenset(LOSSES)
    is_network = True
    lists_points_first = True

    def __init__(self, hidden: tuple[int, ...] | None = None) -> None:
        self._hidden = hidden

    def num_points(self, grid: GridSettings) -> int:
        """Count the points of the grid."""
        return len(grid_points(self._grid(grid)))

    def space(self, grid: GridSettings) -> Space:
        """Return what the grid spans."""
        return space_of_grid(grid, with_hidden=self._hidden is None)

    def at(self, point: Mapping[str, Any], grid: GridSettings) -> tuple[Head, GridSettings]:
        """Return a grid of one point."""
        return self, grid_at(grid, point)

    def fit(self, data: TrainingData, how: Fitting) -> Generator[FittedFold, None, None]:
        """Train every point of every fold, and again what each fold selected."""
        data = replace(data, grid=self._grid(data.grid))
        train = _trainer(data, how.on_models, how.workers)
        trained = _train_all(data, train)
        models = _refitted(data, train, trained.best) if how.refit else trained.best
        by_fold = {member.fold: (member, model) for member, model in models.items()}
        first = {member.fold: model for member, model in trained.best.items()}
        keeps = how.refit and how.keeps_selected
        for fold in range(len(data.splits)):
            member, model = by_fold[fold]
            yield FittedFold(
                _named(data, member),
                _trials(data, fold, trained),
                _fitted(data, fold, model, with_dev=how.refit),
                [trained.halves[Member(fold, point)] for point in range(len(data.points))],
                _fitted(data, fold, first[fold], with_dev=False) if keeps else None,
            )

    def fit_all(self, data: TrainingData, choice: Choice) -> FittedHead:
        """Train the chosen point on every utterance, with the learning rates of the chosen fold.

        These are found by training that fold's model once more. Where they are fewer than the
        epochs, the last one stays.
        """
        data = replace(data, grid=self._grid(data.grid))
        rates = schedule_of(data, Member(choice.fold, choice.point))
        epochs = choice.epochs or len(rates)
        rates = (rates + rates[-1:] * epochs)[:epochs]
        everyone = Split("all", tuple(data.functionals.index), (), ())
        data = replace(data, splits=(everyone,))
        selected = {Member(0, choice.point): TrainedModel([], rates)}
        train = _trainer(data, lambda count: None, None)
        ((_, result),) = train(plan_refits(data, selected))
        (model,) = result.best.values()
        return _fitted(data, 0, model, with_dev=True)

    def _grid(self, grid: GridSettings) -> GridSettings:
        return grid if self._hidden is None else grid.model_copy(update={"hidden": self._hidden})


@dataclass
class _TrainedModels:
    """What came of all models of a search.

    Attributes:
        scores: Best epoch and dev score of each.
        halves: The epochs that each half of dev prefers, of each.
        best: The best one of each fold.
    """

    scores: dict[Member, tuple[int, float]]
    halves: dict[Member, HalfScores]
    best: dict[Member, TrainedModel]


def _trainer(
    data: TrainingData, on_models: Callable[[int], None], workers: Workers | None
) -> GroupMap:
    """Return what trains groups, here or by workers."""
    if workers is None:
        return lambda groups: train_groups(data, groups, on_models)
    spread = map_over(workers, data)
    return lambda groups: _counted(spread(groups), on_models)


def _counted(
    results: Iterable[tuple[Group, GroupResult]], on_models: Callable[[int], None]
) -> Iterator[tuple[Group, GroupResult]]:
    for group, result in results:
        on_models(len(group.members))
        yield group, result


def _train_all(data: TrainingData, train: GroupMap) -> _TrainedModels:
    """Train every point of every fold."""
    scores: dict[Member, tuple[int, float]] = {}
    halves: dict[Member, HalfScores] = {}
    best: dict[int, tuple[Member, TrainedModel]] = {}
    for group, result in train(plan_groups(data)):
        reached = zip(result.best_epoch, result.dev_score, strict=True)
        scores |= zip(group.members, reached, strict=True)
        halves |= zip(group.members, result.halves, strict=True)
        for member, model in result.best.items():
            before = best.get(member.fold)
            if before is None or _rank(scores, member) > _rank(scores, before[0]):
                best[member.fold] = member, model
    return _TrainedModels(scores, halves, dict(best.values()))


def _refitted(
    data: TrainingData, train: GroupMap, selected: dict[Member, TrainedModel]
) -> dict[Member, TrainedModel]:
    """Train what was selected again, on train and dev."""
    results = train(plan_refits(data, selected))
    return {member: model for _, result in results for member, model in result.best.items()}


def _rank(scores: dict[Member, tuple[int, float]], member: Member) -> tuple[float, int]:
    return scores[member][1], -member.point


def _named(data: TrainingData, member: Member) -> dict[str, Any]:
    """Name what a fold selected; the widths only where there was a choice."""
    point = data.points[member.point]
    if len({point.hidden for point in data.points}) > 1:
        return point.params
    return {key: value for key, value in point.params.items() if key != "hidden"}


def _trials(data: TrainingData, fold: int, trained: _TrainedModels) -> list[dict[str, Any]]:
    members = [Member(fold, point) for point in range(len(data.points))]
    crossfit = crossfit_score([trained.halves[one] for one in members], data.task.score)
    num_constant = int(data.scaling(data.fitted_ids(fold)).is_constant.sum())
    metric = f"dev_{data.task.tables.metric}"
    rows = []
    for member in members:
        best_epoch, dev_score = trained.scores[member]
        is_selected = member in trained.best
        rows.append(
            {
                **data.points[member.point].params,
                "best_epoch": best_epoch,
                metric: dev_score,
                f"{metric}_crossfit": crossfit if is_selected else np.nan,
                "selected": is_selected,
                "num_constant": num_constant,
            }
        )
    return rows


def _fitted(data: TrainingData, fold: int, model: TrainedModel, *, with_dev: bool) -> FittedHead:
    ids = data.fitted_ids(fold, with_dev=with_dev)
    trained = TrainedMLP(model.parameters, LOSSES[data.task.loss].activation)
    scale = data.task.target_scale(data.targets(ids).to_numpy())
    return FittedHead(trained, data.scaling(ids), scale)
