"""Groups of models: what is trained together, here or on other machines, with the same result.

What is in a group follows from the data alone, never from where or by how many it is run. On a
CPU, work that is large enough goes to the compiled per-model trainer, a group for each fold, whose
models are trained by as many threads as there may be. Everything else goes to the batched trainer:
models of one shape and batch size take the same steps together, as many as fit in memory.
"""

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch

from tokser.device import one_thread
from tokser.experiments.grid import Point
from tokser.experiments.heads.head import Workers
from tokser.experiments.heads.mlp.batched import refit_batched, train_batched
from tokser.experiments.heads.mlp.fold import Fold, Trained, fold_of
from tokser.experiments.heads.mlp.model import Parameters
from tokser.experiments.heads.mlp.objective import objective_of
from tokser.experiments.statistics.crossfit import HalfScores
from tokser.experiments.training_data import TrainingData
from tokser.progress import say
from tokser.threads import num_threads

__all__ = [
    "Group",
    "GroupMap",
    "GroupResult",
    "Member",
    "TrainedModel",
    "map_over",
    "model_bytes",
    "plan_groups",
    "plan_refits",
    "schedule_of",
    "train_group",
    "train_groups",
]

GROUP_BYTES = 32 * 2**20
"""Models that train in the same steps on a CPU, at most: parameters, gradients, moments, best."""
GPU_SHARE = 0.25
"""Share of the free memory of a GPU that the same may take there; activations need the rest."""
COMPILED_WORK = 1e9
"""Weights moved, in all steps, from which on models are trained compiled: about three seconds of
the batched trainer, and a third of what compiling takes, which is done once a machine."""
KEPT_FOLDS = 64
"""Folds that are kept standardised between groups."""


class Member(NamedTuple):
    """A model: the positions of its split and its point."""

    fold: int
    point: int


class Group(NamedTuple):
    """Models that are trained by one task.

    Attributes:
        members: Which.
        is_compiled: Whether the per-model trainer takes them, and not the batched one.
        learning_rates: Of a refit: those of each member in each epoch, on train and dev together.
    """

    members: tuple[Member, ...]
    is_compiled: bool
    learning_rates: tuple[tuple[float, ...], ...] = ()

    @property
    def is_refit(self) -> bool:
        """Whether it trains on train and dev what a search has selected."""
        return bool(self.learning_rates)


class TrainedModel(NamedTuple):
    """A model that was trained.

    Attributes:
        parameters: On the CPU.
        learning_rates: What it was trained with in each epoch up to that.
    """

    parameters: Parameters
    learning_rates: tuple[float, ...]


@dataclass(frozen=True)
class GroupResult:
    """What came of a group.

    Attributes:
        best: The best member of each fold, the first one of equals; of a refit, all.
        best_epoch: Of each member; of a refit none, as all below.
        dev_score: Of each member, at that epoch.
        halves: Of each member, the epochs that each half of dev prefers.
    """

    best: dict[Member, TrainedModel]
    best_epoch: tuple[int, ...] = ()
    dev_score: tuple[float, ...] = ()
    halves: tuple[HalfScores, ...] = ()


GroupMap = Callable[[Sequence[Group]], Iterable[tuple[Group, GroupResult]]]
"""Trains groups with `train_group` somewhere, and yields each as it gets done."""


def plan_groups(data: TrainingData) -> list[Group]:
    """Cut all points of all folds into groups, bounded in memory."""
    folds, points = range(len(data.splits)), range(len(data.points))
    if _is_compiled(data):
        return [Group(tuple(Member(fold, p) for p in points), True) for fold in folds]
    members = [Member(fold, point) for point in points for fold in folds]
    return [Group(own, False) for own in _alike(data, members)]


def plan_refits(data: TrainingData, selected: Mapping[Member, TrainedModel]) -> list[Group]:
    """Cut what a search has selected into groups that train it again, on train and dev.

    Args:
        data: What the search was about.
        selected: The model of each fold, with the schedule that it is to follow.
    """
    members = sorted(selected)
    if _is_compiled(data):
        return [Group((own,), True, (selected[own].learning_rates,)) for own in members]
    return [
        Group(own, False, tuple(selected[member].learning_rates for member in own))
        for own in _alike(data, members)
    ]


def _is_compiled(data: TrainingData) -> bool:
    """Tell whether the search is work enough to compile for; its refits go with it."""
    takes_labels = data.task.loss == "cross-entropy"  # the kernel knows no other loss
    is_large = takes_labels and data.device == "cpu" and _moved_weights(data) >= COMPILED_WORK
    return is_large and _has_compiler()


@functools.cache
def _has_compiler() -> bool:
    """Tell whether numba is installed; say once what is done without."""
    if find_spec("numba") is not None:
        return True
    say(
        "numba is not installed: the batched trainer takes this grid, which is slower "
        "(pip install 'tokser[compiled]' for the compiled one)"
    )
    return False


def _alike(data: TrainingData, members: Iterable[Member]) -> Iterator[tuple[Member, ...]]:
    """Cut models into those that can take the same steps: of one shape and batch size."""
    by_kind: dict[tuple[int, tuple[int, ...]], list[Member]] = {}
    for member in members:
        point = data.points[member.point]
        by_kind.setdefault((point.batch_size, point.hidden), []).append(member)
    for alike in by_kind.values():
        size = _group_size(data, [data.points[member.point] for member in alike])
        for first in range(0, len(alike), size):
            yield tuple(alike[first : first + size])


def train_group(
    data: TrainingData, group: Group, on_models: Callable[[int], None] = lambda count: None
) -> GroupResult:
    """Train one group; on any machine of one kind with the same bits.

    Args:
        data: What it is trained on.
        group: One of `plan_groups` or `plan_refits`.
        on_models: Called with the number of models trained since the last call.
    """
    ((_, result),) = train_groups(data, [group], on_models)
    return result


def schedule_of(data: TrainingData, member: Member) -> tuple[float, ...]:
    """Return the learning rates of one model up to its best epoch, by training it."""
    result = train_group(data, Group((member,), _is_compiled(data)))
    return result.best[member].learning_rates


def map_over(workers: Workers, data: TrainingData) -> GroupMap:
    """Spread groups over workers; the result is bitwise that of this process."""

    def run(groups: Sequence[Group]) -> Iterator[tuple[Group, GroupResult]]:
        tasks = ((data, group) for group in groups)
        for (_, group), result in workers.map(_train_task, tasks):
            yield group, result

    return run


def _train_task(task: tuple[TrainingData, Group]) -> GroupResult:
    return train_group(*task)


def train_groups(
    data: TrainingData, groups: Sequence[Group], on_models: Callable[[int], None]
) -> Iterator[tuple[Group, GroupResult]]:
    """Train groups on this machine, in order; compiled ones by as many threads as there may be."""
    at_once = num_threads()
    with one_thread():
        if all(group.is_compiled for group in groups):
            yield from _train_compiled(data, groups, at_once, on_models)
            return
        fold = functools.lru_cache(maxsize=KEPT_FOLDS)(functools.partial(fold_of, data))
        for group in groups:
            result = _train_batched(data, group, fold)
            on_models(len(group.members))
            yield group, result


def _train_compiled(
    data: TrainingData,
    groups: Sequence[Group],
    at_once: int,
    on_models: Callable[[int], None],
) -> Iterator[tuple[Group, GroupResult]]:
    """Keep the threads busy with a few groups at a time; their folds are all that memory holds."""
    waiting: deque[tuple[Group, list[Future[Any]]]] = deque()
    left = iter(groups)
    with ThreadPoolExecutor(at_once) as pool:
        try:
            while True:
                # One group is ahead of the one that is waited for, or no thread would have work.
                while len(waiting) < 2 or sum(len(s) for _, s in waiting) < 2 * at_once:
                    group = next(left, None)
                    if group is None:
                        break
                    tasks = _compiled_tasks(data, group)
                    waiting.append((group, [pool.submit(task) for task in tasks]))
                if not waiting:
                    return
                group, started = waiting.popleft()
                trained = []
                for future in started:
                    trained.append(future.result())
                    on_models(1)
                yield group, _result(group, trained)
        finally:
            pool.shutdown(cancel_futures=True)


def _compiled_tasks(data: TrainingData, group: Group) -> list[Callable[[], Any]]:
    """Return what trains each member, all of one fold: a `Trained`; of a refit, `Parameters`."""
    from tokser.experiments.heads.mlp import per_model  # loads the compiler

    per_model.compile_kernel()
    epochs = len(group.learning_rates[0]) if group.is_refit else data.grid.epochs
    fold = fold_of(data, group.members[0].fold, with_dev=group.is_refit)
    prepared = per_model.prepare(fold, epochs=epochs, seed=data.seed)
    options = _options(data)
    points = [data.points[member.point] for member in group.members]
    if group.is_refit:
        return [
            functools.partial(per_model.refit_per_model, prepared, point, rates, **options)
            for point, rates in zip(points, group.learning_rates, strict=True)
        ]
    return [functools.partial(per_model.train_per_model, prepared, p, **options) for p in points]


def _options(data: TrainingData) -> dict[str, Any]:
    return {"num_classes": len(data.classes) or 1, "settings": data.grid, "seed": data.seed}


def _train_batched(data: TrainingData, group: Group, fold: Callable[..., Fold]) -> GroupResult:
    points = [data.points[member.point] for member in group.members]
    folds = [fold(member.fold, with_dev=group.is_refit) for member in group.members]
    options = _options(data) | {
        "batch_size": points[0].batch_size,
        "hidden": points[0].hidden,
        "device": torch.device(data.device),
        "objective": objective_of(data.task, data.classes),
    }
    models = range(len(points))
    if group.is_refit:
        parameters = refit_batched(folds, group.learning_rates, **options)
        return _result(group, [_one(parameters, model) for model in models])
    together = train_batched(folds, [point.learning_rate for point in points], **options)
    return _result(group, [_one_trained(together, model) for model in models])


def _one(parameters: Parameters, model: int) -> Parameters:
    return [parameter[model : model + 1] for parameter in parameters]


def _one_trained(trained: Trained, model: int) -> Trained:
    own = slice(model, model + 1)
    return Trained(
        _one(trained.parameters, model),
        trained.best_epoch[own],
        trained.dev_score[own],
        trained.learning_rates[:, own],
        trained.halves.of(model),
    )


def _result(group: Group, trained: Sequence[Any]) -> GroupResult:
    """Keep the scores of all members, and the parameters of the best ones; of a refit, of all."""
    if group.is_refit:
        refitted = zip(group.members, trained, group.learning_rates, strict=True)
        return GroupResult({member: _kept(own, rates) for member, own, rates in refitted})
    scores = [float(one.dev_score[0]) for one in trained]
    best_of: dict[int, int] = {}
    for number, member in enumerate(group.members):
        best = best_of.setdefault(member.fold, number)
        if (scores[number], -member.point) > (scores[best], -group.members[best].point):
            best_of[member.fold] = number
    selected = {
        group.members[number]: _kept(trained[number].parameters, trained[number].schedule(0))
        for number in best_of.values()
    }
    epochs = tuple(int(one.best_epoch[0]) for one in trained)
    return GroupResult(selected, epochs, tuple(scores), tuple(one.halves for one in trained))


def _kept(parameters: Parameters, learning_rates: tuple[float, ...]) -> TrainedModel:
    return TrainedModel([parameter.cpu().clone() for parameter in parameters], learning_rates)


def _moved_weights(data: TrainingData) -> float:
    """Estimate how many weights all steps of all models move."""
    num_features = data.functionals.shape[1]
    num_steps = sum(
        -(-len(split.train) // point.batch_size) * point.num_weights(num_features, 2)
        for split in data.splits
        for point in data.points
    )
    return float(num_steps * data.grid.epochs)


def _group_size(data: TrainingData, points: Sequence[Point]) -> int:
    """Return how many models fit the budget of their device."""
    budget = float(GROUP_BYTES)
    if data.device.startswith("cuda"):
        budget = GPU_SHARE * torch.cuda.mem_get_info(torch.device(data.device))[0]
    num_features = data.functionals.shape[1]
    num_outputs = len(data.classes) or 1
    return max(1, int(budget // model_bytes(points, num_features, num_outputs)))


def model_bytes(points: Sequence[Point], num_features: int, num_classes: int) -> int:
    """Return the bytes of parameters, gradients, two moments and best epoch of the largest."""
    return 5 * 4 * max(point.num_weights(num_features, num_classes) for point in points)
