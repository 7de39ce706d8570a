"""The points of a grid, the folds they are trained on, and what comes of it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from tokser.config import GridSettings
from tokser.experiments.heads.mlp.model import Stack
from tokser.experiments.statistics.crossfit import HalfScores

__all__ = [
    "Fold",
    "Point",
    "Trained",
    "class_importance",
    "grid_points",
    "sample_order",
    "stack_bytes",
]


@dataclass(frozen=True)
class Fold:
    """One split as numbers, standardised by its own training part.

    Attributes:
        number: Position among the splits; it seeds weights and sample order.
        train: Functionals, [train, features].
        train_labels: Class numbers, [train].
        dev: Functionals, [dev, features]; none in a refit, which trains on them.
        dev_labels: Class numbers, [dev].
        dev_half: Half of dev that each belongs to, 0 or 1, see `crossfit`, [dev].
    """

    number: int
    train: Float32[np.ndarray, "train features"]
    train_labels: Int64[np.ndarray, " train"]
    dev: Float32[np.ndarray, "dev features"]
    dev_labels: Int64[np.ndarray, " dev"]
    dev_half: Int64[np.ndarray, " dev"]


class Point(NamedTuple):
    """A point of a grid."""

    batch_size: int
    learning_rate: float
    hidden: tuple[int, ...]
    """Widths of the blocks; none of them: a linear probe."""

    @property
    def told(self) -> dict[str, Any]:
        """Its columns in the table of trials."""
        return {
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "hidden": "-".join(map(str, self.hidden)) or "linear",
        }

    def num_weights(self, num_features: int, num_classes: int) -> int:
        """Count the weights of a model, without its few biases, gains and shifts."""
        widths = (num_features, *self.hidden, num_classes)
        return sum(wide * narrow for wide, narrow in itertools.pairwise(widths))


@dataclass
class Trained:
    """What came of models that were trained together.

    Attributes:
        stack: Each model's parameters at its best epoch, [models, ...].
        best_epoch: First epoch with the best dev UAR, from 1 on, [models].
        dev_uar: That UAR, [models].
        learning_rates: What each model's schedule said in each epoch, [epochs, models].
        halves: The epochs that each half of dev prefers.
    """

    stack: Stack
    best_epoch: Int64[np.ndarray, " models"]
    dev_uar: Float[np.ndarray, " models"]
    learning_rates: Float64[np.ndarray, "epochs models"]
    halves: HalfScores

    def schedule(self, model: int) -> tuple[float, ...]:
        """Return the learning rate of each epoch of a model up to its best one."""
        return tuple(self.learning_rates[: self.best_epoch[model], model].tolist())


def grid_points(grid: GridSettings) -> list[Point]:
    """Return all points; their order decides between equally good ones."""
    shapes = [shape for shape in grid.hidden if isinstance(shape, tuple)]
    widths = tuple(width for width in grid.hidden if isinstance(width, int))
    product = itertools.product(grid.batch_sizes, grid.learning_rates, shapes or [widths])
    return [Point(*values) for values in product]


def sample_order(seed: int, fold: Fold, epoch: int) -> Int64[np.ndarray, " train"]:
    """Return the order of an epoch's samples."""
    return np.random.default_rng([seed, fold.number, epoch]).permutation(len(fold.train))


def class_importance(
    labels: Int64[np.ndarray, " train"], num_classes: int, *, is_balanced: bool
) -> Float32[np.ndarray, " classes"]:
    """Return what each class weighs in the loss: 1, or n / (classes * n of the class)."""
    if not is_balanced:
        return np.ones(num_classes, dtype=np.float32)
    counts = np.bincount(labels, minlength=num_classes)
    weights: np.ndarray = len(labels) / (num_classes * np.maximum(counts, 1))
    return weights.astype(np.float32)


def stack_bytes(points: Sequence[Point], num_features: int, num_classes: int) -> int:
    """Return the bytes of parameters, gradients, two moments and best epoch of the largest."""
    return 5 * 4 * max(point.num_weights(num_features, num_classes) for point in points)
