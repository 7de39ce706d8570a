"""A fold as numbers, and what comes of the models that are trained on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from tokser.experiments.heads.mlp.model import Parameters
from tokser.experiments.statistics.crossfit import HalfScores, halves_of
from tokser.experiments.training_data import TrainingData

__all__ = ["Fold", "Trained", "class_importance", "fold_of", "sample_order"]


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


@dataclass
class Trained:
    """What came of models that were trained together.

    Attributes:
        parameters: Of each model, at its best epoch, [models, ...].
        best_epoch: First epoch with the best dev UAR, from 1 on, [models].
        dev_uar: That UAR, [models].
        learning_rates: What each model's schedule said in each epoch, [epochs, models].
        halves: The epochs that each half of dev prefers.
    """

    parameters: Parameters
    best_epoch: Int64[np.ndarray, " models"]
    dev_uar: Float[np.ndarray, " models"]
    learning_rates: Float64[np.ndarray, "epochs models"]
    halves: HalfScores

    def schedule(self, model: int) -> tuple[float, ...]:
        """Return the learning rate of each epoch of a model up to its best one."""
        return tuple(self.learning_rates[: self.best_epoch[model], model].tolist())


def fold_of(data: TrainingData, number: int, *, with_dev: bool = False) -> Fold:
    """Return a fold as numbers; where dev is trained on, too, it has no dev part."""
    ids = data.fitted_ids(number, with_dev=with_dev)
    dev_ids = () if with_dev else data.splits[number].dev
    scaling = data.scaling(ids)
    train, dev = (scaling.apply(data.rows(part)) for part in (ids, dev_ids))
    half = halves_of(dev_ids, data.targets(dev_ids).tolist())
    return Fold(
        data.first_fold + number, train, _numbers(data, ids), dev, _numbers(data, dev_ids), half
    )


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


def _numbers(data: TrainingData, ids: Sequence[str]) -> Int64[np.ndarray, " ids"]:
    numbers = {name: number for number, name in enumerate(data.classes)}
    return np.array([numbers[label] for label in data.targets(ids)], dtype=np.int64)
