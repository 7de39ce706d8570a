"""Models of one shape and batch size, trained in the same steps: the plain form of `per_model`.

It runs on a GPU, and where the work is too little to compile anything for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tokser.config import GridSettings
from tokser.experiments.heads.mlp.fold import Fold, Trained, class_importance, sample_order
from tokser.experiments.heads.mlp.gradients import write_gradients
from tokser.experiments.heads.mlp.model import Parameters, flatten, forward, initialise, unflatten
from tokser.experiments.heads.mlp.optimise import BatchedAdam, Plateau
from tokser.experiments.statistics.crossfit import CrossFit
from tokser.experiments.statistics.metrics import uar_from_confusion

__all__ = ["predict", "refit_batched", "train_batched"]


def train_batched(
    folds: Sequence[Fold],
    learning_rates: Sequence[float],
    *,
    batch_size: int,
    hidden: Sequence[int],
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
        hidden: Widths of the blocks.
        num_classes: Width of the output.
        settings: Epochs, plateau, class weights, early stopping.
        seed: With fold and epoch it decides weights and order.
        device: Where it runs.

    Source: paper, section 4.3.
    """
    run = _Run(folds, batch_size, hidden, num_classes, settings, seed, device)
    # Half h and class c are the label h * classes + c: one count serves both halves.
    truths = [fold.dev_half * num_classes + fold.dev_labels for fold in folds]
    evenly = [np.ones(2 * num_classes, dtype=np.float32) for _ in folds]
    dev = _Part([fold.dev for fold in folds], truths, evenly, device).whole()
    plateau = Plateau(
        np.asarray(learning_rates, dtype=np.float64),
        factor=settings.plateau_factor,
        patience=settings.plateau_patience,
    )
    best = [parameter.clone() for parameter in run.parameters]
    best_epoch, best_uar = np.zeros(len(folds), dtype=np.int64), np.full(len(folds), -1.0)
    halves, schedule = CrossFit(uar_from_confusion), []
    patience = settings.early_stopping or settings.epochs
    for epoch in range(1, settings.epochs + 1):
        goes_on = epoch - 1 - best_epoch < patience
        if not goes_on.any():
            break
        schedule.append(plateau.learning_rates)
        run.train_epoch(epoch, plateau.learning_rates.tolist(), goes_on)
        counts = _count_guesses(run.parameters, dev, num_classes)
        halves.add_epoch(counts, goes_on)
        dev_uar = np.where(goes_on, uar_from_confusion(counts.sum(axis=1)), -1.0)
        plateau.step(dev_uar)
        is_better = dev_uar > best_uar
        best_uar = np.where(is_better, dev_uar, best_uar)
        best_epoch = np.where(is_better, epoch, best_epoch)
        _copy_models(best, run.parameters, is_better)
    return Trained(best, best_epoch, best_uar, np.stack(schedule), halves.best)


def refit_batched(
    folds: Sequence[Fold],
    learning_rates: Sequence[Sequence[float]],
    *,
    batch_size: int,
    hidden: Sequence[int],
    num_classes: int,
    settings: GridSettings,
    seed: int,
    device: torch.device,
) -> Parameters:
    """Train models without a dev part: for given epochs, each by its given learning rate.

    Args:
        folds: Fold of each model, [models]; its train part holds all that is trained on.
        learning_rates: Of each model in each of its epochs, [models][epochs].
        batch_size: Utterances in a step.
        hidden: Widths of the blocks.
        num_classes: Width of the output.
        settings: Class weights.
        seed: With fold and epoch it decides weights and order.
        device: Where it runs.

    Returns:
        Parameters after each model's last epoch.
    """
    run = _Run(folds, batch_size, hidden, num_classes, settings, seed, device)
    lengths = np.array([len(rates) for rates in learning_rates])
    for epoch in range(1, int(lengths.max()) + 1):
        rates = [own[min(epoch, len(own)) - 1] for own in learning_rates]
        run.train_epoch(epoch, rates, epoch <= lengths)
    return run.parameters


def predict(parameters: Parameters, inputs: Float[Tensor, "models batch features"]) -> np.ndarray:
    """Return class probabilities, [models, batch, classes]."""
    with torch.inference_mode():
        probabilities = forward(parameters, inputs).softmax(dim=-1)
    return np.asarray(probabilities.cpu().numpy())


@dataclass(frozen=True)
class _Batch:
    """Utterances of every model, padded to the longest choice.

    Attributes:
        inputs: [models, batch, features].
        labels: [models, batch].
        weights: What each utterance counts in its model's loss, 0 for padding, [models, batch].
    """

    inputs: Float[Tensor, "models batch features"]
    labels: Int64[Tensor, "models batch"]
    weights: Float[Tensor, "models batch"]


class _Part:
    """The same part of every model's fold; folds that models share are held once."""

    def __init__(
        self,
        values: Sequence[np.ndarray],
        labels: Sequence[np.ndarray],
        importance: Sequence[np.ndarray],
        device: torch.device,
    ) -> None:
        distinct = {id(rows): (rows, names) for rows, names in zip(values, labels, strict=True)}
        rows, names = zip(*distinct.values(), strict=True)
        starts = dict(zip(distinct, np.cumsum([0, *map(len, rows[:-1])]), strict=True))
        self._device = device
        self._rows = torch.from_numpy(np.concatenate(rows)).to(device)
        self._labels = torch.from_numpy(np.concatenate(names)).to(device)
        self._importance = torch.from_numpy(np.stack(importance)).to(device)
        self._starts = np.array([starts[id(value)] for value in values])
        self.sizes = np.array([len(value) for value in values])

    def take(
        self, indices: Int64[np.ndarray, "models batch"], num_chosen: Int64[np.ndarray, " models"]
    ) -> _Batch:
        """Gather the first `num_chosen` utterances that each model's row of `indices` names."""
        is_chosen = np.arange(indices.shape[1]) < num_chosen[:, None]
        rows = np.where(is_chosen, indices + self._starts[:, None], 0)
        where = torch.from_numpy(rows).to(self._device)
        labels = self._labels[where]
        weights = self._importance.gather(1, labels)
        weights = weights * torch.from_numpy(is_chosen).to(self._device)
        total = weights.sum(dim=1, keepdim=True)
        return _Batch(self._rows[where], labels, weights / total.where(total > 0, 1))

    def whole(self) -> _Batch:
        """Gather everything."""
        return self.take(_padded([np.arange(size) for size in self.sizes]), self.sizes)


def _padded(rows: Sequence[np.ndarray]) -> Int64[np.ndarray, "models longest"]:
    table = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for number, row in enumerate(rows):
        table[number, : len(row)] = row
    return table


class _Run:
    """Models in training, all in the same steps."""

    def __init__(
        self,
        folds: Sequence[Fold],
        batch_size: int,
        hidden: Sequence[int],
        num_classes: int,
        settings: GridSettings,
        seed: int,
        device: torch.device,
    ) -> None:
        widths = (folds[0].train.shape[1], *hidden, num_classes)
        drawn = initialise(widths, [(seed, fold.number) for fold in folds])
        rows = flatten(drawn).to(device)
        self.parameters = unflatten(rows, drawn)
        importance = [
            class_importance(fold.train_labels, num_classes, is_balanced=settings.class_weights)
            for fold in folds
        ]
        self._train = _Part(
            [fold.train for fold in folds],
            [fold.train_labels for fold in folds],
            importance,
            device,
        )
        self._adam = BatchedAdam(rows)
        self._folds, self._batch_size, self._seed = folds, batch_size, seed

    def train_epoch(self, epoch: int, rates: Sequence[float], goes_on: np.ndarray) -> None:
        """Train one epoch of the models that go on.

        Args:
            epoch: Its number, from 1 on.
            rates: Learning rate of each model.
            goes_on: Which models it moves.
        """
        order = _padded([sample_order(self._seed, fold, epoch) for fold in self._folds])
        gradients = unflatten(self._adam.gradients, self.parameters)
        size, part = self._batch_size, self._train
        for first in range(0, order.shape[1], size):
            num_chosen = np.where(goes_on, np.clip(part.sizes - first, 0, size), 0)
            batch = part.take(order[:, first : first + size], num_chosen)
            write_gradients(gradients, self.parameters, batch.inputs, batch.labels, batch.weights)
            self._adam.step(rates, (num_chosen > 0).tolist())


def _count_guesses(
    parameters: Parameters, dev: _Batch, num_classes: int
) -> Int64[np.ndarray, "models 2 truth guess"]:
    """Count guesses by model, half of dev, true and guessed class."""
    with torch.inference_mode():
        guesses = forward(parameters, dev.inputs).argmax(dim=-1)
    models = torch.arange(len(guesses), device=guesses.device)[:, None]
    cells = (models * 2 * num_classes + dev.labels) * num_classes + guesses
    num_cells = len(guesses) * 2 * num_classes * num_classes
    counts = torch.bincount(cells[dev.weights > 0], minlength=num_cells)
    found: np.ndarray = counts.view(-1, 2, num_classes, num_classes).cpu().numpy()
    return found


def _copy_models(target: Parameters, source: Parameters, is_better: np.ndarray) -> None:
    models = torch.from_numpy(np.flatnonzero(is_better)).to(source[0].device)
    for kept, parameter in zip(target, source, strict=True):
        kept[models] = parameter[models]
