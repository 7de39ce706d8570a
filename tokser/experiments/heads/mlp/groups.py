"""Groups of models: what is trained together, here or on other machines, with the same result.

What is in a group follows from the task alone, never from where or by how many it is run.
"""

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch

from tokser.device import one_thread
from tokser.experiments.grid import Fold, Point, Trained, stack_bytes
from tokser.experiments.heads.mlp.batched import refit_stack, train_stack
from tokser.experiments.heads.mlp.model import Stack
from tokser.experiments.statistics.crossfit import HalfScores
from tokser.experiments.training_data import Material, Member

__all__ = [
    "Group",
    "GroupMap",
    "Outcome",
    "Selected",
    "Workers",
    "map_over",
    "plan_groups",
    "plan_refits",
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


class Group(NamedTuple):
    """Models that are trained by one task.

    Attributes:
        members: Compiled: all points of a fold. Otherwise models of one shape and batch size.
        is_compiled: Whether each is trained on its own, compiled, or all in the same steps.
        learning_rates: Of a refit: each member's in every epoch, on train and dev together.
    """

    members: tuple[Member, ...]
    is_compiled: bool
    learning_rates: tuple[tuple[float, ...], ...] = ()

    @property
    def is_refit(self) -> bool:
        """Whether it trains on train and dev what a search has selected."""
        return bool(self.learning_rates)


class Selected(NamedTuple):
    """A model that was trained.

    Attributes:
        stack: Its parameters, on the CPU.
        learning_rates: What it was trained with in each epoch up to that.
    """

    stack: Stack
    learning_rates: tuple[float, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a group.

    Attributes:
        best: The best member of each table and fold, the first one of equals; of a refit, all.
        best_epoch: Of each member; of a refit none, as all below.
        dev_uar: Of each member, at that epoch.
        halves: Of each member, the epochs that each half of dev prefers.
    """

    best: dict[Member, Selected]
    best_epoch: tuple[int, ...] = ()
    dev_uar: tuple[float, ...] = ()
    halves: tuple[HalfScores, ...] = ()


GroupMap = Callable[[Sequence[Group]], Iterable[tuple[Group, Outcome]]]
"""Trains groups with `train_group` somewhere, and yields each as it gets done."""


def plan_groups(material: Material) -> list[Group]:
    """Cut all points of all folds of all layers into groups, bounded in memory."""
    models = list(itertools.product(range(len(material.tables)), range(len(material.splits))))
    points = range(len(material.points))
    if _is_compiled(material):
        return [Group(tuple(Member(*model, p) for p in points), True) for model in models]
    members = [Member(*model, point) for point in points for model in models]
    return [Group(own, False) for own in _stackable(material, members)]


def plan_refits(material: Material, selected: Mapping[Member, Selected]) -> list[Group]:
    """Cut what a search has selected into groups that train it again, on train and dev.

    Args:
        material: What the search was about.
        selected: The model of each layer and fold, with the schedule that it is to follow.
    """
    members = sorted(selected)
    if _is_compiled(material):
        return [Group((own,), True, (selected[own].learning_rates,)) for own in members]
    return [
        Group(own, False, tuple(selected[member].learning_rates for member in own))
        for own in _stackable(material, members)
    ]


def _is_compiled(material: Material) -> bool:
    """Tell whether the search is work enough to compile for; its refits go with it."""
    return material.device.type == "cpu" and _moved_weights(material) >= COMPILED_WORK


def _stackable(material: Material, members: Iterable[Member]) -> Iterator[tuple[Member, ...]]:
    """Cut models into those that can take the same steps: of one shape and batch size."""
    by_kind: dict[tuple[int, tuple[int, ...]], list[Member]] = {}
    for member in members:
        point = material.points[member.point]
        by_kind.setdefault((point.batch_size, point.hidden), []).append(member)
    for alike in by_kind.values():
        size = _group_size(material, [material.points[member.point] for member in alike])
        for first in range(0, len(alike), size):
            yield tuple(alike[first : first + size])


def train_group(
    material: Material, group: Group, on_models: Callable[[int], None] = lambda count: None
) -> Outcome:
    """Train one group; on any machine of one kind with the same bits.

    Args:
        material: What it is trained on.
        group: One of `plan_groups` or `plan_refits`.
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
        tasks = ((material.part(group.members), group) for group in groups)
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
    waiting: deque[tuple[Group, list[Future[Any]]]] = deque()
    left = iter(groups)
    with ThreadPoolExecutor(num_threads) as pool:
        try:
            while True:
                # One group is ahead of the one that is waited for, or no thread would have work.
                while len(waiting) < 2 or sum(len(s) for _, s in waiting) < 2 * num_threads:
                    group = next(left, None)
                    if group is None:
                        break
                    tasks = _compiled_tasks(material, group)
                    waiting.append((group, [pool.submit(task) for task in tasks]))
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


def _compiled_tasks(material: Material, group: Group) -> list[Callable[[], Any]]:
    """Return what trains each member, all of one fold: a `Trained`, of a refit a `Stack`."""
    from tokser.experiments.heads.mlp import per_model as resident  # loads the compiler

    resident.compile_apart()
    epochs = len(group.learning_rates[0]) if group.is_refit else material.grid.epochs
    fold = material.fold(*group.members[0][:2], with_dev=group.is_refit)
    prepared = resident.prepare(fold, epochs=epochs, seed=material.seed)
    options = _options(material)
    points = [material.points[member.point] for member in group.members]
    if group.is_refit:
        return [
            functools.partial(resident.refit_resident, prepared, point, rates, **options)
            for point, rates in zip(points, group.learning_rates, strict=True)
        ]
    return [functools.partial(resident.train_resident, prepared, p, **options) for p in points]


def _options(material: Material) -> dict[str, Any]:
    return {
        "num_classes": len(material.classes),
        "settings": material.grid,
        "seed": material.seed,
    }


def _train_stacked(material: Material, group: Group, fold: Callable[..., Fold]) -> Outcome:
    points = [material.points[member.point] for member in group.members]
    folds = [fold(m.table, m.fold, with_dev=group.is_refit) for m in group.members]
    options = _options(material) | {
        "batch_size": points[0].batch_size,
        "hidden": points[0].hidden,
        "device": material.device,
    }
    models = range(len(points))
    if group.is_refit:
        stack = refit_stack(folds, group.learning_rates, **options)
        return _outcome(group, [_one(stack, model) for model in models])
    together = train_stack(folds, [point.learning_rate for point in points], **options)
    return _outcome(group, [_one_trained(together, model) for model in models])


def _one(stack: Stack, model: int) -> Stack:
    return [parameter[model : model + 1] for parameter in stack]


def _one_trained(trained: Trained, model: int) -> Trained:
    own = slice(model, model + 1)
    return Trained(
        _one(trained.stack, model),
        trained.best_epoch[own],
        trained.dev_uar[own],
        trained.learning_rates[:, own],
        trained.halves.of(model),
    )


def _outcome(group: Group, trained: Sequence[Any]) -> Outcome:
    """Keep the scores of all members, and the parameters of the best ones; of a refit, of all."""
    if group.is_refit:
        refitted = zip(group.members, trained, group.learning_rates, strict=True)
        return Outcome({member: _kept(stack, rates) for member, stack, rates in refitted})
    scores = [float(one.dev_uar[0]) for one in trained]
    chosen: dict[tuple[int, int], int] = {}
    for number, member in enumerate(group.members):
        best = chosen.setdefault(member[:2], number)
        if (scores[number], -member.point) > (scores[best], -group.members[best].point):
            chosen[member[:2]] = number
    selected = {
        group.members[number]: _kept(trained[number].stack, trained[number].schedule(0))
        for number in chosen.values()
    }
    epochs = tuple(int(one.best_epoch[0]) for one in trained)
    return Outcome(selected, epochs, tuple(scores), tuple(one.halves for one in trained))


def _kept(stack: Stack, learning_rates: tuple[float, ...]) -> Selected:
    return Selected([parameter.cpu().clone() for parameter in stack], learning_rates)


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
