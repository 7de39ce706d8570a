"""Models of one shape and batch size, trained in the same steps: the plain form of `per_model`.

It runs on a GPU, and where the work is too little to compile anything for.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from tokser.config import GridSettings
from tokser.experiments.heads.losses import Activation, TrainingLoss, activated
from tokser.experiments.heads.mlp.fold import Fold, Trained, sample_order
from tokser.experiments.heads.mlp.gradients import write_gradients
from tokser.experiments.heads.mlp.model import Parameters, flatten, forward, initialise, unflatten
from tokser.experiments.heads.mlp.objective import CLASS_LABELS, Objective
from tokser.experiments.heads.mlp.optimise import BatchedAdam, Plateau
from tokser.experiments.statistics.crossfit import CrossFit

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
    objective: Objective = CLASS_LABELS,
) -> Trained:
    """Train one model per pair of fold and learning rate, all in the same steps.

    Adam, the plateau schedule, best epoch by dev score. Each model sees what it
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
        objective: What is minimised, and how dev is scored.

    Source: paper, section 4.3.
    """
    run = _Run(folds, batch_size, hidden, num_classes, settings, seed, device, objective)
    dev = _Part([fold.dev for fold in folds], device).whole()
    dev_sums = objective.dev_sums(folds, num_classes, device)
    plateau = Plateau(
        np.asarray(learning_rates, dtype=np.float64),
        factor=settings.plateau_factor,
        patience=settings.plateau_patience,
    )
    best = [parameter.clone() for parameter in run.parameters]
    best_epoch, best_score = np.zeros(len(folds), dtype=np.int64), np.full(len(folds), -np.inf)
    halves, schedule = CrossFit(objective.score), []
    patience = settings.early_stopping or settings.epochs
    for epoch in range(1, settings.epochs + 1):
        goes_on = epoch - 1 - best_epoch < patience
        if not goes_on.any():
            break
        schedule.append(plateau.learning_rates)
        run.train_epoch(epoch, plateau.learning_rates.tolist(), goes_on)
        with torch.inference_mode():
            sums = dev_sums(forward(run.parameters, dev))
        halves.add_epoch(sums, goes_on)
        score = np.where(goes_on, objective.score(sums.sum(axis=1)), -np.inf)
        plateau.step(score)
        is_better = score > best_score
        best_score = np.where(is_better, score, best_score)
        best_epoch = np.where(is_better, epoch, best_epoch)
        _copy_models(best, run.parameters, is_better)
    return Trained(best, best_epoch, best_score, np.stack(schedule), halves.best)


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
    objective: Objective = CLASS_LABELS,
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
        objective: What is minimised.

    Returns:
        Parameters after each model's last epoch.
    """
    run = _Run(folds, batch_size, hidden, num_classes, settings, seed, device, objective)
    lengths = np.array([len(rates) for rates in learning_rates])
    for epoch in range(1, int(lengths.max()) + 1):
        rates = [own[min(epoch, len(own)) - 1] for own in learning_rates]
        run.train_epoch(epoch, rates, epoch <= lengths)
    return run.parameters


def predict(
    parameters: Parameters,
    inputs: Float[Tensor, "models batch features"],
    activation: Activation = "softmax",
) -> np.ndarray:
    """Return class probabilities, [models, batch, classes], or numbers, [models, batch]."""
    with torch.inference_mode():
        outputs = activated(forward(parameters, inputs), activation)
    return np.asarray(outputs.cpu().numpy())


@dataclass(frozen=True)
class _Where:
    """Rows of each model's utterances in what all of them share, padded to the longest choice.

    Attributes:
        rows: [models, batch].
        is_chosen: Whether a row counts; else it is padding, [models, batch].
    """

    rows: Int64[Tensor, "models batch"]
    is_chosen: Bool[Tensor, "models batch"]


class _Part:
    """The same part of every model's fold; folds that models share are held once."""

    def __init__(self, values: Sequence[np.ndarray], device: torch.device) -> None:
        distinct = {id(rows): rows for rows in values}
        lengths = [len(rows) for rows in distinct.values()]
        starts = dict(zip(distinct, np.cumsum([0, *lengths[:-1]]), strict=True))
        self._device, self._distinct = device, list(distinct)
        self._ids = [id(value) for value in values]
        self._starts = np.array([starts[id(value)] for value in values])
        self._rows = self._together(distinct.values())
        self.sizes = np.array([len(value) for value in values])

    def beside(self, values: Sequence[np.ndarray]) -> Tensor:
        """Lay out something else of the same utterances, [rows, ...]."""
        own = dict(zip(self._ids, values, strict=True))
        return self._together(own[one] for one in self._distinct)

    def where(
        self, indices: Int64[np.ndarray, "models batch"], num_chosen: Int64[np.ndarray, " models"]
    ) -> _Where:
        """Return the first `num_chosen` utterances that each model's row of `indices` names."""
        is_chosen = np.arange(indices.shape[1]) < num_chosen[:, None]
        rows = np.where(is_chosen, indices + self._starts[:, None], 0)
        found = torch.from_numpy(rows).to(self._device)
        return _Where(found, torch.from_numpy(is_chosen).to(self._device))

    def take(self, where: _Where) -> Float[Tensor, "models batch features"]:
        """Gather utterances."""
        return self._rows[where.rows]

    def whole(self) -> Float[Tensor, "models longest features"]:
        """Gather everything."""
        return self.take(self.where(_padded([np.arange(n) for n in self.sizes]), self.sizes))

    def _together(self, values: Iterable[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate(list(values))).to(self._device)


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
        objective: Objective,
    ) -> None:
        widths = (folds[0].train.shape[1], *hidden, num_classes)
        drawn = initialise(widths, [(seed, fold.number) for fold in folds])
        rows = flatten(drawn).to(device)
        self.parameters = unflatten(rows, drawn)
        self._loss: TrainingLoss = objective.loss
        self._train = _Part([fold.train for fold in folds], device)
        self._target = self._train.beside([fold.train_target for fold in folds])
        importance = [
            self._loss.importance(
                fold.train_target, num_classes, is_balanced=settings.class_weights
            )
            for fold in folds
        ]
        self._importance = torch.from_numpy(np.stack(importance)).to(device)
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
            where = part.where(order[:, first : first + size], num_chosen)
            target = self._target[where.rows]
            weights = self._loss.weights(target, self._importance, where.is_chosen)
            error = functools.partial(
                self._loss.error, target=target, weights=weights, importance=self._importance
            )
            write_gradients(gradients, self.parameters, part.take(where), error)
            self._adam.step(rates, (num_chosen > 0).tolist())


def _copy_models(target: Parameters, source: Parameters, is_better: np.ndarray) -> None:
    models = torch.from_numpy(np.flatnonzero(is_better)).to(source[0].device)
    for kept, parameter in zip(target, source, strict=True):
        kept[models] = parameter[models]
