"""Groups of models that are trained on the same batches: what a core trains at a time."""

import functools
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import torch

from tokser.device import keep_to_one_thread, one_thread
from tokser.experiments.grid import Point
from tokser.experiments.heads.frames.fold import FrameFold, frame_fold
from tokser.experiments.heads.frames.model import FrameModel, TermShape
from tokser.experiments.heads.frames.pooling import Pooling
from tokser.experiments.heads.frames.trained import TrainedFrameHead
from tokser.experiments.heads.frames.training import (
    FrameWeights,
    TrainedPoint,
    refit_points,
    train_points,
)
from tokser.experiments.heads.head import Workers
from tokser.experiments.training_data import TrainingData
from tokser.threads import num_threads

__all__ = [
    "FrameGroup",
    "Member",
    "Trainer",
    "frame_points",
    "model_of",
    "plan_groups",
    "plan_refits",
    "train_groups",
]


Result = TypeVar("Result")
Item = TypeVar("Item")


MOST_TOGETHER = 12
"""Networks of a group at most, where several seeds are in it: memory grows by each."""


class Member(NamedTuple):
    """A model of a group.

    Attributes:
        seed: Decides first weights and dropout.
        point: Position of its point in the grid.
        rates: Its learning rate; of a refit, that of each epoch.
    """

    seed: int
    point: int
    rates: tuple[float, ...]


class FrameGroup(NamedTuple):
    """Models that are trained together.

    Attributes:
        fold: Position of the split.
        batch_size: Utterances in a step.
        members: The models.
    """

    fold: int
    batch_size: int
    members: tuple[Member, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seed of each model."""
        return tuple(own.seed for own in self.members)


@dataclass(frozen=True)
class Trainer:
    """Trains groups of one head on one set of data; the same bits wherever it is done.

    Attributes:
        trained_as: What the head becomes by training.
        data: What it is trained on.
    """

    trained_as: type[TrainedFrameHead]
    data: TrainingData

    @property
    def pooling(self) -> Pooling:
        """What makes one vector of an utterance's frames."""
        return self.trained_as.pooling

    @property
    def most_together(self) -> int:
        """Networks that are in a group together with those of another seed.

        Where each model has rows of its own, more of them only leave the processor's cache: a
        transformer's step took 44 % longer for nine models than three times that for three.
        """
        shares_rows = all(len(term.layers) == 1 or term.are_means for term in self.data.frames)
        return MOST_TOGETHER if shares_rows and self.pooling.shares_products else 1

    @functools.cached_property
    def _work(self) -> float:
        """Frames trained on, times models of a seed and epochs, in all folds."""
        data = self.data
        frames = sum(
            int(term.num_frames(data.fitted_ids(fold)).sum())
            for term in data.frames
            for fold in range(len(data.splits))
        )
        models = len(frame_points(data)) * data.frame_heads.ensemble
        return float(frames * models * data.grid.epochs)

    @property
    def _fastest(self) -> Pooling:
        """The pooling in the form that suits all the work there is on a CPU, refits and all."""
        is_here = torch.device(self.data.device).type == "cpu"
        return self.pooling.for_work(self._work) if is_here else self.pooling

    def _fold(self, number: int, *, with_dev: bool = False) -> FrameFold:
        fold = frame_fold(self.data, number, with_dev=with_dev)
        return replace(fold, reads_compiled=self._fastest.reads_compiled(self.data.frame_heads))

    def search(self, group: FrameGroup) -> list[TrainedPoint]:
        """Train points of a search."""
        keep_to_one_thread()
        data = self.data
        return train_points(
            model_of(self._fastest, data),
            self._fold(group.fold),
            [own.rates[0] for own in group.members],
            seeds=group.seeds,
            task=data.task,
            classes=data.classes,
            batch_size=group.batch_size,
            grid=data.grid,
            device=torch.device(data.device),
        )

    def refit(self, group: FrameGroup) -> list[FrameWeights]:
        """Train what a search has selected, on train and dev."""
        keep_to_one_thread()
        data = self.data
        return refit_points(
            model_of(self._fastest, data),
            self._fold(group.fold, with_dev=True),
            [own.rates for own in group.members],
            seeds=group.seeds,
            batch_size=group.batch_size,
            device=torch.device(data.device),
        )


def model_of(pooling: Pooling, data: TrainingData) -> FrameModel:
    """Return the function that is trained."""
    terms = tuple(TermShape(len(term.layers), term.dim) for term in data.frames)
    return FrameModel(pooling, terms, len(data.classes) or 1, data.frame_heads)


def frame_points(data: TrainingData) -> list[Point]:
    """Return the points of the grid; widths of an MLP's blocks are no matter here."""
    grid = data.grid
    product = itertools.product(grid.batch_sizes, grid.learning_rates)
    return [Point(size, rate, ()) for size, rate in product]


def plan_groups(data: TrainingData, seeds: Sequence[int], most: int = 1) -> list[FrameGroup]:
    """Put the learning rates and seeds of each fold and batch size together.

    Args:
        data: What is trained on.
        seeds: The seeds.
        most: Networks of a group at most, if it has several seeds.
    """
    by_size: dict[int, list[tuple[int, float]]] = {}
    for number, point in enumerate(frame_points(data)):
        by_size.setdefault(point.batch_size, []).append((number, point.learning_rate))
    return [
        FrameGroup(
            fold, size, tuple(Member(seed, n, (rate,)) for seed in together for n, rate in own)
        )
        for fold in range(len(data.splits))
        for size, own in by_size.items()
        for together in _in_parts(seeds, len(own) * data.frame_heads.ensemble, most)
    ]


def plan_refits(
    data: TrainingData,
    selected: Mapping[tuple[int, int], tuple[int, TrainedPoint]],
    most: int = 1,
) -> list[FrameGroup]:
    """Return what trains each fold's selected points again, on train and dev.

    Args:
        data: What is trained on.
        selected: The point and what came of it, by seed and fold.
        most: Networks of a group at most, if it has several seeds.
    """
    points = frame_points(data)
    together: dict[tuple[int, int], list[Member]] = {}
    for (seed, fold), (point, trained) in selected.items():
        own = Member(seed, point, trained.learning_rates)
        together.setdefault((fold, points[point].batch_size), []).append(own)
    return [
        FrameGroup(fold, size, tuple(part))
        for (fold, size), members in sorted(together.items())
        for part in _in_parts(
            sorted(members, key=lambda own: len(own.rates), reverse=True),
            data.frame_heads.ensemble,
            most,
        )
    ]


def _in_parts(items: Sequence[Item], networks: int, most: int) -> Iterator[Sequence[Item]]:
    """Cut items with so many networks each into parts of nearly one size, as few as may be."""
    fit = max(1, most // networks)
    size = math.ceil(len(items) / math.ceil(len(items) / fit))
    for first in range(0, len(items), size):
        yield items[first : first + size]


def train_groups(
    train: Callable[[FrameGroup], Result], groups: Sequence[FrameGroup], workers: Workers | None
) -> Iterator[tuple[FrameGroup, Result]]:
    """Train groups, a core each or by workers, and yield each as it gets done.

    Products of a step are too small for several threads; whole groups are not.

    Args:
        train: `Trainer.search` or `Trainer.refit`.
        groups: What is trained.
        workers: Processes that train them; none: threads of this one.
    """
    if workers is not None:
        yield from workers.map(train, groups)
        return
    workers_here = num_threads()
    with one_thread(), ThreadPoolExecutor(workers_here) as pool:
        waiting: deque[tuple[FrameGroup, Future[Result]]] = deque()
        left = iter(groups)
        try:
            while True:
                for group in itertools.islice(left, 2 * workers_here - len(waiting)):
                    waiting.append((group, pool.submit(train, group)))
                if not waiting:
                    return
                group, future = waiting.popleft()
                yield group, future.result()
        finally:
            pool.shutdown(cancel_futures=True)
