"""Groups of models that are trained on the same batches: what a core trains at a time."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch

from tokser.device import keep_to_one_thread, one_thread
from tokser.experiments.grid import Point
from tokser.experiments.heads.frames.fold import frame_fold
from tokser.experiments.heads.frames.model import FrameModel, TermShape
from tokser.experiments.heads.frames.pooling import Pooling
from tokser.experiments.heads.frames.trained import TrainedFrameHead
from tokser.experiments.heads.frames.training import (
    FrameWeights,
    TrainedPoint,
    refit_point,
    train_points,
)
from tokser.experiments.heads.head import Workers
from tokser.experiments.training_data import TrainingData

__all__ = [
    "FrameGroup",
    "Trainer",
    "frame_points",
    "model_of",
    "plan_groups",
    "plan_refits",
    "train_groups",
]


Result = TypeVar("Result")


class FrameGroup(NamedTuple):
    """Models that are trained together.

    Attributes:
        fold: Position of the split.
        batch_size: Utterances in a step.
        points: Positions of the points in the grid.
        rates: Learning rate of each; of a refit, of its one point in each epoch.
    """

    fold: int
    batch_size: int
    points: tuple[int, ...]
    rates: tuple[float, ...]


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

    def search(self, group: FrameGroup) -> list[TrainedPoint]:
        """Train points of a search."""
        keep_to_one_thread()
        data = self.data
        return train_points(
            model_of(self.pooling, data),
            frame_fold(data, group.fold),
            group.rates,
            task=data.task,
            classes=data.classes,
            batch_size=group.batch_size,
            grid=data.grid,
            seed=data.seed,
            device=torch.device(data.device),
        )

    def refit(self, group: FrameGroup) -> FrameWeights:
        """Train what a search has selected, on train and dev."""
        keep_to_one_thread()
        data = self.data
        return refit_point(
            model_of(self.pooling, data),
            frame_fold(data, group.fold, with_dev=True),
            group.rates,
            batch_size=group.batch_size,
            seed=data.seed,
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


def plan_groups(data: TrainingData) -> list[FrameGroup]:
    """Put the learning rates of each fold and batch size together."""
    by_size: dict[int, list[tuple[int, float]]] = {}
    for number, point in enumerate(frame_points(data)):
        by_size.setdefault(point.batch_size, []).append((number, point.learning_rate))
    return [
        FrameGroup(fold, size, tuple(number for number, _ in own), tuple(rate for _, rate in own))
        for fold in range(len(data.splits))
        for size, own in by_size.items()
    ]


def plan_refits(
    data: TrainingData, selected: Mapping[int, tuple[int, TrainedPoint]]
) -> list[FrameGroup]:
    """Return what trains the selected point of each fold again, on train and dev."""
    points = frame_points(data)
    return [
        FrameGroup(fold, points[point].batch_size, (point,), trained.learning_rates)
        for fold, (point, trained) in sorted(selected.items())
    ]


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
    num_threads = torch.get_num_threads()
    with one_thread(), ThreadPoolExecutor(num_threads) as pool:
        waiting: deque[tuple[FrameGroup, Future[Result]]] = deque()
        left = iter(groups)
        try:
            while True:
                for group in itertools.islice(left, 2 * num_threads - len(waiting)):
                    waiting.append((group, pool.submit(train, group)))
                if not waiting:
                    return
                group, future = waiting.popleft()
                yield group, future.result()
        finally:
            pool.shutdown(cancel_futures=True)
