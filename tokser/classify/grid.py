"""Training all points of a grid that share a batch size at the same time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import functional

from tokser.classify.metrics import uar_from_confusion
from tokser.classify.mlp import Stack, forward, initialise
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
    stack = [p.to(device) for p in initialise(widths, [(seed, fold.number) for fold in folds])]
    train = _Part([f.train for f in folds], [f.train_labels for f in folds], device)
    dev = _Part([f.dev for f in folds], [f.dev_labels for f in folds], device)
    adam = StackedAdam(stack)
    plateau = Plateau(
        np.asarray(learning_rates),
        factor=settings.plateau_factor,
        patience=settings.plateau_patience,
    )
    best = Trained(
        [parameter.clone() for parameter in stack],
        np.zeros(len(folds), dtype=np.int64),
        np.full(len(folds), -1.0),
    )
    for epoch in range(1, settings.epochs + 1):
        order = [_order(seed, fold, epoch) for fold in folds]
        rates = torch.from_numpy(plateau.learning_rates)
        _train_epoch(stack, adam, train, order, rates, batch_size)
        dev_uar = _evaluate(stack, dev, num_classes)
        plateau.step(dev_uar)
        _keep_better(best, stack, dev_uar, epoch)
    return best


def predict(stack: Stack, inputs: Float[Tensor, "models batch features"]) -> np.ndarray:
    """Return class probabilities, [models, batch, classes]."""
    with torch.inference_mode():
        probabilities = forward(stack, inputs).softmax(dim=-1)
    return np.asarray(probabilities.cpu().numpy())


class _Part:
    """The same part of every model's fold; folds that models share are held once."""

    def __init__(
        self, values: Sequence[np.ndarray], labels: Sequence[np.ndarray], device: torch.device
    ) -> None:
        distinct = {id(value): value for value in values}
        starts = dict(
            zip(distinct, np.cumsum([0, *map(len, distinct.values())]).tolist(), strict=False)
        )
        by_fold = {id(value): label for value, label in zip(values, labels, strict=True)}
        self._rows = torch.from_numpy(np.concatenate(list(distinct.values()))).to(device)
        self._labels = torch.from_numpy(np.concatenate(list(by_fold.values()))).to(device)
        self._starts = np.array([starts[id(value)] for value in values])
        self.sizes = np.array([len(value) for value in values])

    def take(self, indices: Sequence[np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
        """Gather utterances of each model, padded to the longest choice.

        Returns:
            Inputs [models, batch, features], labels [models, batch], weights [models, batch]:
            1 / number of utterances chosen, 0 for padding.
        """
        longest = max(map(len, indices))
        where = np.zeros((len(indices), longest), dtype=np.int64)
        weights = np.zeros((len(indices), longest), dtype=np.float32)
        for model, chosen in enumerate(indices):
            where[model, : len(chosen)] = chosen + self._starts[model]
            weights[model, : len(chosen)] = 1 / max(len(chosen), 1)
        device = self._rows.device
        rows = torch.from_numpy(where).to(device)
        return self._rows[rows], self._labels[rows], torch.from_numpy(weights).to(device)


def _order(seed: int, fold: Fold, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, fold.number, epoch]).permutation(len(fold.train))


def _train_epoch(
    stack: Stack,
    adam: StackedAdam,
    part: _Part,
    order: Sequence[np.ndarray],
    learning_rates: Tensor,
    batch_size: int,
) -> None:
    for first in range(0, int(part.sizes.max()), batch_size):
        chosen = [indices[first : first + batch_size] for indices in order]
        inputs, labels, weights = part.take(chosen)
        for parameter in stack:
            parameter.requires_grad_(True)
        logits = forward(stack, inputs)
        losses = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), reduction="none"
        ).view_as(weights)
        gradients = list(torch.autograd.grad((losses * weights).sum(), stack))
        for parameter in stack:
            parameter.requires_grad_(False)
        is_active = torch.tensor([len(indices) > 0 for indices in chosen])
        adam.step(gradients, learning_rates, is_active)


def _evaluate(stack: Stack, part: _Part, num_classes: int) -> np.ndarray:
    inputs, labels, weights = part.take([np.arange(size) for size in part.sizes])
    with torch.inference_mode():
        guesses = forward(stack, inputs).argmax(dim=-1)
    models = torch.arange(len(guesses), device=guesses.device)[:, None]
    cells = (models * num_classes + labels) * num_classes + guesses
    counts = torch.bincount(cells[weights > 0], minlength=len(guesses) * num_classes * num_classes)
    confusion = counts.view(-1, num_classes, num_classes).cpu().numpy()
    return uar_from_confusion(confusion)


def _keep_better(best: Trained, stack: Stack, dev_uar: np.ndarray, epoch: int) -> None:
    is_better = dev_uar > best.dev_uar
    best.dev_uar = np.where(is_better, dev_uar, best.dev_uar)
    best.best_epoch = np.where(is_better, epoch, best.best_epoch)
    chosen = torch.from_numpy(np.flatnonzero(is_better)).to(stack[0].device)
    for kept, parameter in zip(best.stack, stack, strict=True):
        kept[chosen] = parameter[chosen]
