"""One model trained to its end by one core, compiled, out of the core's own cache.

Point for point the training of `batched.train_batched`; several threads each train a model of their
own, so what comes out does not depend on how many they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from tokser.config import GridSettings
from tokser.experiments.grid import Point
from tokser.experiments.heads import compiled_function
from tokser.experiments.heads.compile_apart import compile_apart
from tokser.experiments.heads.losses import class_importance
from tokser.experiments.heads.mlp import kernel, tiles, workspace
from tokser.experiments.heads.mlp.fold import Fold, Trained, sample_order
from tokser.experiments.heads.mlp.model import Parameters, initialise
from tokser.experiments.heads.mlp.optimise import Plateau
from tokser.experiments.heads.mlp.workspace import (
    DEV_ROWS,
    make_workspace,
    padded_width,
    read_parameters,
    write_parameters,
)
from tokser.experiments.statistics.crossfit import CrossFit
from tokser.experiments.statistics.metrics import uar_from_confusion

__all__ = [
    "Prepared",
    "compile_kernel",
    "prepare",
    "refit_per_model",
    "train_per_model",
    "warm_up",
    "workspace_bytes",
]


@dataclass(frozen=True)
class Prepared:
    """A fold as the kernel reads it, for all points that are trained on it.

    Attributes:
        fold: What it was made of.
        train: With features padded to whole vectors, and a row of zeros, [train + 1, padded].
        dev: Likewise, [dev + 1, padded].
        orders: Order of the samples in each epoch, [epochs, train].
    """

    fold: Fold
    train: Float32[np.ndarray, "rows padded"]
    dev: Float32[np.ndarray, "dev_rows padded"]
    orders: Int64[np.ndarray, "epochs train"]


def compile_kernel() -> None:
    """Compile the kernel, unless that was done on this machine; see `compile_apart`."""
    sources = (kernel, tiles, workspace, compiled_function)
    compile_apart(kernel.train_epoch, sources, warm_up)


def warm_up() -> None:
    """Train a tiny model, so that everything is compiled, and lies in the cache."""
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(8, 3)).astype(np.float32), np.arange(8) % 2
    fold = Fold(0, values, labels, values, labels, labels)
    settings = GridSettings(batch_sizes=(4,), learning_rates=(1e-3,), hidden=(3,), epochs=1)
    prepared = prepare(fold, epochs=1, seed=0)
    train_per_model(prepared, Point(4, 1e-3, (3,)), num_classes=2, settings=settings, seed=0)


def prepare(fold: Fold, *, epochs: int, seed: int) -> Prepared:
    """Lay a fold out for the kernel."""
    orders = [sample_order(seed, fold, epoch) for epoch in range(1, epochs + 1)]
    return Prepared(fold, _padded(fold.train), _padded(fold.dev), np.stack(orders))


def train_per_model(
    prepared: Prepared, point: Point, *, num_classes: int, settings: GridSettings, seed: int
) -> Trained:
    """Train one model, see `batched.train_batched`; most of it without Python's lock.

    Args:
        prepared: Its fold.
        point: Batch size, learning rate, widths.
        num_classes: Width of the output.
        settings: Epochs, plateau, class weights, early stopping.
        seed: With fold and epoch it decides weights and order.

    Source: paper, section 4.3.
    """
    fold = prepared.fold
    run = _Run(prepared, point, num_classes=num_classes, settings=settings, seed=seed)
    rates = np.array([point.learning_rate], dtype=np.float64)
    plateau = Plateau(rates, factor=settings.plateau_factor, patience=settings.plateau_patience)
    best, best_epoch, best_uar = run.work.state[0].copy(), 0, -1.0
    halves, schedule = CrossFit(uar_from_confusion), []
    truth = fold.dev_half * num_classes + fold.dev_target
    patience = settings.early_stopping or settings.epochs
    for epoch in range(1, settings.epochs + 1):
        if epoch - 1 - best_epoch >= patience:
            break
        schedule.append(plateau.learning_rates)
        run.train_epoch(epoch, float(plateau.learning_rates[0]))
        counts = np.zeros((2 * num_classes, num_classes), dtype=np.int64)
        kernel.count_guesses(run.work, prepared.dev, truth, counts, DEV_ROWS)
        by_half = counts.reshape(1, 2, num_classes, num_classes)
        halves.add_epoch(by_half)
        dev_uar = uar_from_confusion(by_half.sum(axis=1))
        plateau.step(dev_uar)
        if dev_uar[0] > best_uar:
            best_epoch, best_uar = epoch, float(dev_uar[0])
            best[:] = run.work.state[0]
    return Trained(
        run.parameters(best),
        np.array([best_epoch]),
        np.array([best_uar]),
        np.stack(schedule),
        halves.best,
    )


def refit_per_model(
    prepared: Prepared,
    point: Point,
    learning_rates: Sequence[float],
    *,
    num_classes: int,
    settings: GridSettings,
    seed: int,
) -> Parameters:
    """Train one model without a dev part, see `batched.refit_batched`.

    Args:
        prepared: Its fold, prepared for as many epochs.
        point: Batch size, widths.
        learning_rates: Of each epoch.
        num_classes: Width of the output.
        settings: Class weights.
        seed: With fold and epoch it decides weights and order.
    """
    run = _Run(prepared, point, num_classes=num_classes, settings=settings, seed=seed)
    for epoch, rate in enumerate(learning_rates, start=1):
        run.train_epoch(epoch, rate)
    return run.parameters(run.work.state[0])


def workspace_bytes(num_features: int, num_classes: int, point: Point, num_train: int) -> int:
    """Return what one thread holds while it trains a model, its data aside."""
    widths = (num_features, *point.hidden, num_classes)
    work = make_workspace(
        widths, min(point.batch_size, num_train), np.ones(num_classes, np.float32)
    )
    return sum(int(array.nbytes) for array in (*work, work.state[0]))


class _Run:
    """One model in training."""

    def __init__(
        self,
        prepared: Prepared,
        point: Point,
        *,
        num_classes: int,
        settings: GridSettings,
        seed: int,
    ) -> None:
        fold = prepared.fold
        self._prepared, self._labels = prepared, fold.train_target
        self._batch_size = min(point.batch_size, len(fold.train))
        widths = (fold.train.shape[1], *point.hidden, num_classes)
        importance = class_importance(
            fold.train_target, num_classes, is_balanced=settings.class_weights
        )
        self.work = make_workspace(widths, self._batch_size, importance)
        self._drawn = initialise(widths, [(seed, fold.number)])
        write_parameters(self.work, self._drawn)
        self._num_steps = 0

    def train_epoch(self, epoch: int, rate: float) -> None:
        """Train one epoch, counted from 1."""
        self._num_steps = kernel.train_epoch(
            self.work,
            self._prepared.train,
            self._labels,
            self._prepared.orders[epoch - 1],
            self._batch_size,
            self._num_steps,
            rate,
        )

    def parameters(self, row: Float32[np.ndarray, " parameters"]) -> Parameters:
        """Copy parameters out of a row as they lie in memory."""
        return read_parameters(row, self.work.layout, self._drawn)


def _padded(values: Float32[np.ndarray, "rows features"]) -> np.ndarray:
    rows, features = values.shape
    padded = np.zeros((rows + 1, padded_width(features)), dtype=np.float32)
    padded[:rows, :features] = values
    return padded
