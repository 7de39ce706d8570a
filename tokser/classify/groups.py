"""Groups of models: what is trained together, here or on other machines, with the same result.

What is in a group follows from the task alone, never from where or by how many it is run.
"""

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch

from tokser.classify.grid import Fold, Point, Trained, grid_points, stack_bytes
from tokser.classify.mlp import Stack
from tokser.classify.protocols import Split
from tokser.classify.stacked import train_stack
from tokser.config import GridSettings
from tokser.device import one_thread
from tokser.functionals.standardise import Standardiser

__all__ = [
    "Group",
    "GroupMap",
    "Material",
    "Member",
    "Outcome",
    "Workers",
    "map_over",
    "plan_groups",
    "train_group",
    "train_groups",
]

GROUP_BYTES = 32 * 2**20
"""Models that train in the same steps on a CPU, at most: parameters, gradients, moments, best."""
GPU_SHARE = 0.25
"""Share of the free memory of a GPU that the same may take there; activations need the rest."""
COMPILED_WORK = 1e9
"""Weights moved, in all steps, from which on models are trained compiled: about three seconds of
the plain form, and a third of what compiling takes, which is done once a machine."""
KEPT_FOLDS = 64
"""Folds that are kept standardised between groups."""


class Member(NamedTuple):
    """A model: the positions of its table (a layer), its split and its point."""

    table: int
    fold: int
    point: int


class Group(NamedTuple):
    """Models that are trained by one task.

    Attributes:
        members: Compiled: all points of a fold. Otherwise models of one shape and batch size.
        is_compiled: Whether each is trained on its own, compiled, or all in the same steps.
    """

    members: tuple[Member, ...]
    is_compiled: bool


@dataclass(frozen=True)
class Outcome:
    """What came of a group.

    Attributes:
        best_epoch: Of each member.
        dev_uar: Of each member, at that epoch.
        best: Parameters of the best member of each table and fold, the first one of equals.
    """

    best_epoch: tuple[int, ...]
    dev_uar: tuple[float, ...]
    best: dict[Member, Stack]


GroupMap = Callable[[Sequence[Group]], Iterable[tuple[Group, Outcome]]]
"""Trains groups with `train_group` somewhere, and yields each as it gets done."""


@dataclass(frozen=True)
class Material:
    """What models are trained on.

    Attributes:
        tables: Functionals of each layer, [utterances, features]; index = id.
        labels: Emotion of each utterance, index = id.
        splits: The folds.
        grid: Points and training.
        seed: Of weights and order.
        device: Where it runs.
    """

    tables: Sequence[pd.DataFrame]
    labels: "pd.Series[str]"
    splits: Sequence[Split]
    grid: GridSettings
    seed: int
    device: torch.device

    @functools.cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; a class's number is its position."""
        return tuple(sorted(self.labels.unique()))

    @functools.cached_property
    def points(self) -> list[Point]:
        """The grid's points."""
        return grid_points(self.grid)

    def scaling(self, table: int, fold: int) -> Standardiser:
        """Return what the training part of a fold is standardised by."""
        return Standardiser.fit(self.rows(table, self.splits[fold].train))

    def rows(self, table: int, ids: Sequence[str]) -> np.ndarray:
        """Return functionals by id, [ids, features]."""
        return np.asarray(self.tables[table].loc[list(ids)].to_numpy())

    def fold(self, table: int, fold: int) -> Fold:
        """Return a fold as numbers."""
        split, scaling = self.splits[fold], self.scaling(table, fold)
        numbers = {name: number for number, name in enumerate(self.classes)}
        train, dev = (scaling.apply(self.rows(table, ids)) for ids in (split.train, split.dev))
        train_labels, dev_labels = (
            np.array([numbers[label] for label in self.labels.loc[list(ids)]], dtype=np.int64)
            for ids in (split.train, split.dev)
        )
        return Fold(fold, train, train_labels, dev, dev_labels)

    def part(self, group: Group) -> "Material":
        """Return what a group needs: other tables are left without rows."""
        needed = {member.table for member in group.members}
        tables = [
            table if number in needed else table.iloc[:0]
            for number, table in enumerate(self.tables)
        ]
        return replace(self, tables=tables)


def plan_groups(material: Material) -> list[Group]:
    """Cut all points of all folds of all layers into groups, bounded in memory."""
    models = list(itertools.product(range(len(material.tables)), range(len(material.splits))))
    points = range(len(material.points))
    if material.device.type == "cpu" and _moved_weights(material) >= COMPILED_WORK:
        return [Group(tuple(Member(*model, p) for p in points), True) for model in models]
    by_kind: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for number, point in enumerate(material.points):
        by_kind.setdefault((point.batch_size, point.hidden), []).append(number)
    groups = []
    for numbers in by_kind.values():
        size = _group_size(material, [material.points[number] for number in numbers])
        members = [Member(*model, number) for number in numbers for model in models]
        for first in range(0, len(members), size):
            groups.append(Group(tuple(members[first : first + size]), False))
    return groups


def train_group(
    material: Material, group: Group, on_models: Callable[[int], None] = lambda count: None
) -> Outcome:
    """Train one group; on any machine of one kind with the same bits.

    Args:
        material: What it is trained on.
        group: One of `plan_groups`.
        on_models: Called with the number of models trained since the last call.
    """
    ((_, outcome),) = train_groups(material, [group], on_models)
    return outcome


@runtime_checkable
class Workers(Protocol):
    """What hands tasks to other processes, and yields each item with its result."""

    def map(self, task: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Call `task` with every item somewhere, in any order."""


def map_over(workers: Workers, material: Material) -> GroupMap:
    """Spread groups over workers; what is found is bitwise what is found here."""

    def run(groups: Sequence[Group]) -> Iterator[tuple[Group, Outcome]]:
        tasks = ((material.part(group), group) for group in groups)
        for (_, group), outcome in workers.map(_train_task, tasks):
            yield group, outcome

    return run


def _train_task(task: tuple[Material, Group]) -> Outcome:
    return train_group(*task)


def train_groups(
    material: Material, groups: Sequence[Group], on_models: Callable[[int], None]
) -> Iterator[tuple[Group, Outcome]]:
    """Train groups on this machine, in order; compiled ones by as many threads as torch has."""
    num_threads = torch.get_num_threads()
    with one_thread():
        if all(group.is_compiled for group in groups):
            yield from _train_compiled(material, groups, num_threads, on_models)
            return
        fold = functools.lru_cache(maxsize=KEPT_FOLDS)(material.fold)
        for group in groups:
            outcome = _train_stacked(material, group, fold)
            on_models(len(group.members))
            yield group, outcome


def _train_compiled(
    material: Material,
    groups: Sequence[Group],
    num_threads: int,
    on_models: Callable[[int], None],
) -> Iterator[tuple[Group, Outcome]]:
    """Keep the threads busy with a few groups at a time; their folds are all that memory holds."""
    from tokser.classify import resident  # loads the compiler

    waiting: deque[tuple[Group, list[Future[Trained]]]] = deque()
    options: Any = {"num_classes": len(material.classes), "settings": material.grid}
    left = iter(groups)
    with ThreadPoolExecutor(num_threads) as pool:
        try:
            while True:
                # One group is ahead of the one that is waited for, or no thread would have work.
                while len(waiting) < 2 or sum(len(s) for _, s in waiting) < 2 * num_threads:
                    group = next(left, None)
                    if group is None:
                        break
                    prepared = resident.prepare(
                        material.fold(*group.members[0][:2]),
                        epochs=material.grid.epochs,
                        seed=material.seed,
                    )
                    train = functools.partial(
                        resident.train_resident, prepared, seed=material.seed, **options
                    )
                    points = [material.points[member.point] for member in group.members]
                    waiting.append((group, [pool.submit(train, point) for point in points]))
                if not waiting:
                    return
                group, started = waiting.popleft()
                trained = []
                for future in started:
                    trained.append(future.result())
                    on_models(1)
                yield group, _outcome(group, trained)
        finally:
            pool.shutdown(cancel_futures=True)


def _train_stacked(material: Material, group: Group, fold: Callable[[int, int], Fold]) -> Outcome:
    points = [material.points[member.point] for member in group.members]
    together = train_stack(
        [fold(member.table, member.fold) for member in group.members],
        [point.learning_rate for point in points],
        batch_size=points[0].batch_size,
        hidden=points[0].hidden,
        num_classes=len(material.classes),
        settings=material.grid,
        seed=material.seed,
        device=material.device,
    )
    return _outcome(group, [_one(together, model) for model in range(len(points))])


def _one(trained: Trained, model: int) -> Trained:
    own = slice(model, model + 1)
    stack = [parameter[own] for parameter in trained.stack]
    return Trained(stack, trained.best_epoch[own], trained.dev_uar[own])


def _outcome(group: Group, trained: Sequence[Trained]) -> Outcome:
    """Keep the scores of all members, and the parameters of the best ones."""
    scores = [float(one.dev_uar[0]) for one in trained]
    chosen: dict[tuple[int, int], int] = {}
    for number, member in enumerate(group.members):
        best = chosen.setdefault(member[:2], number)
        if (scores[number], -member.point) > (scores[best], -group.members[best].point):
            chosen[member[:2]] = number
    stacks = {
        group.members[number]: [parameter.cpu().clone() for parameter in trained[number].stack]
        for number in chosen.values()
    }
    return Outcome(tuple(int(one.best_epoch[0]) for one in trained), tuple(scores), stacks)


def _moved_weights(material: Material) -> float:
    """Estimate how many weights all steps of all models move."""
    num_steps = sum(
        -(-len(split.train) // point.batch_size) * point.num_weights(table.shape[1], 2)
        for split in material.splits
        for point in material.points
        for table in material.tables
    )
    return float(num_steps * material.grid.epochs)


def _group_size(material: Material, points: Sequence[Point]) -> int:
    """Return how many models fit the budget of their device."""
    budget = float(GROUP_BYTES)
    if material.device.type == "cuda":
        budget = GPU_SHARE * torch.cuda.mem_get_info(material.device)[0]
    num_features = max(table.shape[1] for table in material.tables)
    return max(1, int(budget // stack_bytes(points, num_features, len(material.classes))))
