"""Training all points of a grid that share a batch size at the same time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from tokser.classify.gradients import write_gradients
from tokser.classify.metrics import uar_from_confusion
from tokser.classify.mlp import Stack, flatten, forward, initialise, unflatten
from tokser.classify.optimise import Plateau, StackedAdam
from tokser.config import GridSettings

__all__ = ["Fold", "Trained", "predict", "train_stack"]


@dataclass(frozen=True)
class Fold:
    """One split as numbers, standardised by its own training part.

    Attributes:
        number: Position among the splits; it seeds weights and sample order.
        train: Functionals, [train, features].
        train_labels: Class numbers, [train].
        dev: Functionals, [dev, features].
        dev_labels: Class numbers, [dev].
    """

    number: int
    train: Float32[np.ndarray, "train features"]
    train_labels: Int64[np.ndarray, " train"]
    dev: Float32[np.ndarray, "dev features"]
    dev_labels: Int64[np.ndarray, " dev"]


@dataclass
class Trained:
    """What came of a stack.

    Attributes:
        stack: Each model's parameters at its best epoch, [models, ...].
        best_epoch: First epoch with the best dev UAR, from 1 on, [models].
        dev_uar: That UAR, [models].
    """

    stack: Stack
    best_epoch: Int64[np.ndarray, " models"]
    dev_uar: Float[np.ndarray, " models"]


def train_stack(
    folds: Sequence[Fold],
    learning_rates: Sequence[float],
    *,
    batch_size: int,
    num_classes: int,
    settings: GridSettings,
    seed: int,
    device: torch.device,
) -> Trained:
    """Train one model per pair of fold and learning rate, all in the same steps.

    Cross-entropy, Adam, the plateau schedule, best epoch by dev UAR. Each model sees what it
    would see alone: its own fold, its own sample order, its own last, smaller batch.

    Args:
        folds: Fold of each model, [models].
        learning_rates: Learning rate of each model, [models].
        batch_size: Utterances in a step.
        num_classes: Width of the output.
        settings: Widths, epochs, plateau.
        seed: With fold and epoch it decides weights and order.
        device: Where it runs.

    Source: report, section 4.3.
    """
    widths = (folds[0].train.shape[1], *settings.hidden, num_classes)
    drawn = initialise(widths, [(seed, fold.number) for fold in folds])
    rows = flatten(drawn).to(device)
    stack = unflatten(rows, drawn)
    train = _Part([f.train for f in folds], [f.train_labels for f in folds], device)
    dev = _Part([f.dev for f in folds], [f.dev_labels for f in folds], device).whole()
    adam = StackedAdam(rows)
    plateau = Plateau(
        np.asarray(learning_rates, dtype=np.float64),
        factor=settings.plateau_factor,
        patience=settings.plateau_patience,
    )
    best = Trained(
        [parameter.clone() for parameter in stack],
        np.zeros(len(folds), dtype=np.int64),
        np.full(len(folds), -1.0),
    )
    for epoch in range(1, settings.epochs + 1):
        order = _padded([_order(seed, fold, epoch) for fold in folds])
        _train_epoch(stack, adam, train, order, plateau.learning_rates.tolist(), batch_size)
        dev_uar = _evaluate(stack, dev, num_classes)
        plateau.step(dev_uar)
        _keep_better(best, stack, dev_uar, epoch)
    return best


def predict(stack: Stack, inputs: Float[Tensor, "models batch features"]) -> np.ndarray:
    """Return class probabilities, [models, batch, classes]."""
    with torch.inference_mode():
        probabilities = forward(stack, inputs).softmax(dim=-1)
    return np.asarray(probabilities.cpu().numpy())


@dataclass(frozen=True)
class _Batch:
    """Utterances of every model, padded to the longest choice.

    Attributes:
        inputs: [models, batch, features].
        labels: [models, batch].
        weights: 1 / number of utterances chosen, 0 for padding, [models, batch].
    """

    inputs: Float[Tensor, "models batch features"]
    labels: Int64[Tensor, "models batch"]
    weights: Float[Tensor, "models batch"]


class _Part:
    """The same part of every model's fold; folds that models share are held once."""

    def __init__(
        self, values: Sequence[np.ndarray], labels: Sequence[np.ndarray], device: torch.device
    ) -> None:
        distinct = {id(rows): (rows, names) for rows, names in zip(values, labels, strict=True)}
        rows, names = zip(*distinct.values(), strict=True)
        starts = dict(zip(distinct, np.cumsum([0, *map(len, rows[:-1])]), strict=True))
        self._device = device
        self._rows = torch.from_numpy(np.concatenate(rows)).to(device)
        self._labels = torch.from_numpy(np.concatenate(names)).to(device)
        self._starts = np.array([starts[id(value)] for value in values])
        self.sizes = np.array([len(value) for value in values])

    def take(
        self, indices: Int64[np.ndarray, "models batch"], num_chosen: Int64[np.ndarray, " models"]
    ) -> _Batch:
        """Gather the first `num_chosen` utterances that each model's row of `indices` names."""
        is_chosen = np.arange(indices.shape[1]) < num_chosen[:, None]
        rows = np.where(is_chosen, indices + self._starts[:, None], 0)
        weights = (is_chosen / np.maximum(num_chosen, 1)[:, None]).astype(np.float32)
        where = torch.from_numpy(rows).to(self._device)
        return _Batch(
            self._rows[where], self._labels[where], torch.from_numpy(weights).to(self._device)
        )

    def whole(self) -> _Batch:
        """Gather everything."""
        return self.take(_padded([np.arange(size) for size in self.sizes]), self.sizes)


def _order(seed: int, fold: Fold, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, fold.number, epoch]).permutation(len(fold.train))


def _padded(rows: Sequence[np.ndarray]) -> Int64[np.ndarray, "models longest"]:
    table = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for number, row in enumerate(rows):
        table[number, : len(row)] = row
    return table


def _train_epoch(
    stack: Stack,
    adam: StackedAdam,
    part: _Part,
    order: Int64[np.ndarray, "models longest"],
    learning_rates: Sequence[float],
    batch_size: int,
) -> None:
    gradients = unflatten(adam.gradients, stack)
    for first in range(0, order.shape[1], batch_size):
        num_chosen = np.clip(part.sizes - first, 0, batch_size)
        batch = part.take(order[:, first : first + batch_size], num_chosen)
        write_gradients(gradients, stack, batch.inputs, batch.labels, batch.weights)
        adam.step(learning_rates, (num_chosen > 0).tolist())


def _evaluate(stack: Stack, dev: _Batch, num_classes: int) -> np.ndarray:
    with torch.inference_mode():
        guesses = forward(stack, dev.inputs).argmax(dim=-1)
    models = torch.arange(len(guesses), device=guesses.device)[:, None]
    cells = (models * num_classes + dev.labels) * num_classes + guesses
    num_cells = len(guesses) * num_classes * num_classes
    counts = torch.bincount(cells[dev.weights > 0], minlength=num_cells)
    confusion = counts.view(-1, num_classes, num_classes).cpu().numpy()
    return uar_from_confusion(confusion)


def _keep_better(best: Trained, stack: Stack, dev_uar: np.ndarray, epoch: int) -> None:
    is_better = dev_uar > best.dev_uar
    best.dev_uar = np.where(is_better, dev_uar, best.dev_uar)
    best.best_epoch = np.where(is_better, epoch, best.best_epoch)
    chosen = torch.from_numpy(np.flatnonzero(is_better)).to(stack[0].device)
    for kept, parameter in zip(best.stack, stack, strict=True):
        kept[chosen] = parameter[chosen]
