"""Training of heads over frames: points and seeds of a fold side by side, each as if alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from tokser.config import GridSettings
from tokser.experiments.heads.frames.fold import FrameFold, dev_sums
from tokser.experiments.heads.frames.model import FrameModel, PooledScaling, no_dropout
from tokser.experiments.heads.frames.pooling import Dropout
from tokser.experiments.heads.mlp.model import flatten, unflatten
from tokser.experiments.heads.mlp.optimise import BatchedAdam, Plateau
from tokser.experiments.statistics.crossfit import CrossFit, HalfScores
from tokser.experiments.task import Task

__all__ = ["FrameWeights", "TrainedPoint", "refit_points", "sample_order", "train_points"]


@dataclass(frozen=True)
class FrameWeights:
    """What the networks of one point have learnt, on the CPU.

    Attributes:
        parameters: By name, each [networks, ...].
        scaling: Of pooled vectors; none where they are not scaled.
        is_number: Whether the output is a number, and no class.
    """

    parameters: dict[str, Tensor]
    scaling: PooledScaling | None
    is_number: bool = False


@dataclass(frozen=True)
class TrainedPoint:
    """What came of one point.

    Attributes:
        weights: At the best epoch.
        best_epoch: First epoch with the best dev score, from 1 on.
        dev_score: That score.
        learning_rates: Of each epoch up to the best one.
        halves: The epochs that each half of dev prefers.
    """

    weights: FrameWeights
    best_epoch: int
    dev_score: float
    learning_rates: tuple[float, ...]
    halves: HalfScores


def train_points(
    model: FrameModel,
    fold: FrameFold,
    learning_rates: Sequence[float],
    *,
    seeds: Sequence[int],
    task: Task,
    classes: Sequence[str],
    batch_size: int,
    grid: GridSettings,
    device: torch.device,
) -> list[TrainedPoint]:
    """Train one model for each learning rate and its seed, all on the same batches.

    Adam, the plateau schedule, best epoch by dev score. Each batch is read once, and multiplied
    with the first weights of all models in one product.

    Args:
        model: What is trained.
        fold: On which frames.
        learning_rates: Of each point.
        seeds: Of each point: they decide first weights and dropout.
        task: How dev is scored.
        classes: In the order of the outputs.
        batch_size: Utterances in a step.
        grid: Epochs, plateau, early stopping.
        device: Where it runs.
    """
    run = _Run(model, fold, seeds, batch_size, device)
    plateau = Plateau(
        np.asarray(learning_rates, dtype=np.float64),
        factor=grid.plateau_factor,
        patience=grid.plateau_patience,
    )
    points = range(len(learning_rates))
    best = [run.weights(point) for point in points]
    best_epoch, best_score = np.zeros(len(points), dtype=np.int64), np.full(len(points), -np.inf)
    halves, schedule = CrossFit(task.score), []
    patience = grid.early_stopping or grid.epochs
    for epoch in range(1, grid.epochs + 1):
        goes_on = epoch - 1 - best_epoch < patience
        if not goes_on.any():
            break
        schedule.append(plateau.learning_rates)
        run.train_epoch(epoch, plateau.learning_rates, goes_on)
        sums = np.stack([dev_sums(fold, task, own, classes) for own in run.outputs(fold.dev.ids)])
        halves.add_epoch(sums, goes_on)
        score = np.where(goes_on, task.score(sums.sum(axis=1)), -np.inf)
        plateau.step(score)
        for point in np.flatnonzero(score > best_score).tolist():
            best_score[point], best_epoch[point] = score[point], epoch
            best[point] = run.weights(point)
    rates = np.stack(schedule)
    return [
        TrainedPoint(
            *(best[point], int(best_epoch[point]), float(best_score[point])),
            tuple(rates[: best_epoch[point], point].tolist()),
            halves.best.of(point),
        )
        for point in points
    ]


def refit_points(
    model: FrameModel,
    fold: FrameFold,
    learning_rates: Sequence[Sequence[float]],
    *,
    seeds: Sequence[int],
    batch_size: int,
    device: torch.device,
) -> list[FrameWeights]:
    """Train points without a dev part, an epoch for each learning rate.

    Args:
        model: What is trained.
        fold: On which frames.
        learning_rates: Of each point in each epoch. Points that are trained longest come first:
            those at the end leave the products when they are done.
        seeds: Of each point.
        batch_size: Utterances in a step.
        device: Where it runs.
    """
    run = _Run(model, fold, seeds, batch_size, device)
    for epoch in range(max(map(len, learning_rates))):
        goes_on = np.array([epoch < len(own) for own in learning_rates])
        rates = np.array([own[min(epoch, len(own) - 1)] for own in learning_rates])
        run.train_epoch(epoch + 1, rates, goes_on)
    return [run.weights(point) for point in range(len(learning_rates))]


def sample_order(fold: int, epoch: int, num: int) -> list[int]:
    """Return the order of an epoch's utterances, the same for every seed: they share batches."""
    order: list[int] = np.random.default_rng([0, fold, epoch]).permutation(num).tolist()
    return order


class _Run:
    """Models in training: `ensemble` networks for each point, all on the same batches."""

    def __init__(
        self,
        model: FrameModel,
        fold: FrameFold,
        seeds: Sequence[int],
        batch_size: int,
        device: torch.device,
    ) -> None:
        self._model, self._fold, self._device = model, fold, device
        self._batch_size = batch_size
        self._num_points, self._num_networks = len(seeds), model.options.ensemble
        self._seeds = list(dict.fromkeys(seeds))
        networks = range(self._num_networks)
        drawn = [
            model.draw((seed, fold.number, *([number] if number else [])))
            for seed in self._seeds
            for number in networks
        ]
        self._of_seed = torch.tensor(
            [self._seeds.index(seed) * len(networks) + n for seed in seeds for n in networks]
        )
        self._names = list(drawn[0])
        first = [torch.cat([one[name] for one in drawn]) for name in self._names]
        self._scaling = self._scale_pooled(first)
        stacked = [values[self._of_seed] for values in first]
        rows = flatten(stacked).to(device)
        self._adam = BatchedAdam(rows, weight_decay=model.options.weight_decay)
        self._parameters = dict(zip(self._names, unflatten(rows, stacked), strict=True))
        self._gradients = unflatten(self._adam.gradients, stacked)
        importance = fold.importance
        self._importance = None if importance is None else importance.to(device)
        self._target = fold.train.target.to(device)

    def train_epoch(
        self,
        epoch: int,
        rates: Float[np.ndarray, " points"],
        goes_on: Shaped[np.ndarray, " points"],
    ) -> None:
        """Train one epoch of the points that go on; those after the last one are left out."""
        ids, networks = self._fold.train.ids, self._num_networks
        order = sample_order(self._fold.number, epoch, len(ids))
        rates_of_all = np.repeat(rates, networks).tolist()
        active = np.repeat(goes_on, networks)
        count = int(np.flatnonzero(active)[-1]) + 1
        used = {n: v.detach()[:count].requires_grad_() for n, v in self._parameters.items()}
        scaling = None if self._scaling is None else self._scaling.of_first(count)
        dropout = self._dropout(epoch, count)
        for first in range(0, len(order), self._batch_size):
            chosen = order[first : first + self._batch_size]
            batches = self._fold.read([ids[place] for place in chosen])
            outputs = self._model.forward(used, batches, scaling, dropout)
            loss = self._loss(outputs, self._target[chosen])
            found = torch.autograd.grad(loss, list(used.values()))
            for gradient, values in zip(self._gradients, found, strict=True):
                gradient[:count].copy_(values)
            self._adam.step(rates_of_all, active.tolist())

    def outputs(self, ids: Sequence[str]) -> np.ndarray:
        """Return the outputs of each point, averaged over its networks, [points, ids, ...]."""
        found = predict(self._model, self._parameters, self._scaling, self._fold, ids)
        by_point = found.reshape(self._num_points, self._num_networks, *found.shape[1:])
        return np.asarray(by_point.mean(axis=1))

    def weights(self, point: int) -> FrameWeights:
        """Copy what a point has learnt so far."""
        own = slice(point * self._num_networks, (point + 1) * self._num_networks)
        parameters = {n: v.detach()[own].cpu().clone() for n, v in self._parameters.items()}
        scaling = self._scaling
        if scaling is not None:
            kept = (values[own].cpu().clone() for values in (scaling.centre, scaling.inverse))
            scaling = PooledScaling(*kept)
        return FrameWeights(parameters, scaling, self._importance is None)

    def _loss(
        self,
        outputs: Float[Tensor, "models batch outputs"],
        target: Shaped[Tensor, "batch ..."],
    ) -> Tensor:
        """Return the sum of the models' losses; none of them reaches another's parameters."""
        importance = torch.ones(1) if self._importance is None else self._importance
        smoothing = self._model.options.label_smoothing
        return self._fold.loss.total(outputs, target, importance, smoothing)

    def _dropout(self, epoch: int, count: int) -> Dropout:
        """Return a dropout of the first models that sets the same values to 0 in each of a seed."""
        share = self._model.options.dropout
        if not share:
            return no_dropout
        generators = [
            torch.Generator().manual_seed(
                int(
                    np.random.SeedSequence([seed, self._fold.number, epoch, 1]).generate_state(1)[0]
                )
            )
            for seed in self._seeds
        ]
        of_seed = self._of_seed[:count]

        def drop(values: Tensor) -> Tensor:
            shape = (self._num_networks, *values.shape[1:])
            # In place: new memory of this size costs as much as the numbers drawn into it.
            drawn = [torch.rand(shape, generator=own).ge_(share) for own in generators]
            kept = drawn[0] if count == len(drawn) == 1 else torch.cat(drawn)[of_seed]
            return values * kept.div_(1 - share).to(values.device)

        return drop

    def _scale_pooled(self, first: Sequence[Tensor]) -> PooledScaling | None:
        """Return what the first weights make of the training part, for the networks of each point.

        Points of a seed begin with the same weights.
        """
        if not self._model.pooling.scales_pooled:
            return None
        own = {n: v.to(self._device) for n, v in zip(self._names, first, strict=True)}
        with torch.inference_mode():
            pooled = [
                self._model.pool(own, batches, no_dropout)
                for batches in self._fold.in_batches(self._fold.train.ids)
            ]
            scaling = PooledScaling.of(torch.cat(pooled, dim=1))
        of_seed = self._of_seed.to(self._device)
        return PooledScaling(scaling.centre.clone()[of_seed], scaling.inverse.clone()[of_seed])


def predict(
    model: FrameModel,
    parameters: dict[str, Tensor],
    scaling: PooledScaling | None,
    fold: FrameFold,
    ids: Sequence[str],
) -> np.ndarray:
    """Return probabilities [models, ids, classes], or numbers [models, ids]."""
    found = []
    with torch.inference_mode():
        for batches in fold.in_batches(ids):
            outputs = model.forward(parameters, batches, scaling, no_dropout)
            found.append(outputs[..., 0] if fold.importance is None else outputs.softmax(dim=-1))
    return np.asarray(torch.cat(found, dim=1).cpu().numpy())
