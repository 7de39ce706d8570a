"""A fold as numbers, and what comes of the models that are trained on it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, Num

from tokser.experiments.heads.losses import LOSSES
from tokser.experiments.heads.mlp.model import Parameters
from tokser.experiments.statistics.crossfit import HalfScores, halves_of
from tokser.experiments.task import TargetScale
from tokser.experiments.training_data import TrainingData

__all__ = ["Fold", "Trained", "fold_of", "sample_order"]


@dataclass(frozen=True)
class Fold:
    """One split as numbers, standardised by its own training part.

    Attributes:
        number: Position among the splits; it seeds weights and sample order.
        train: Functionals, [train, features].
        train_target: What is trained on: class numbers, [train]; shares, [train, classes]; or
            numbers on the scale of the training part, [train].
        dev: Functionals, [dev, features]; none in a refit, which trains on them.
        dev_target: What dev is scored by: class numbers, [dev]; else as the task has it.
        dev_half: Half of dev that each belongs to, 0 or 1, see `crossfit`, [dev].
        target_scale: Of numbers; None for classes.
    """

    number: int
    train: Float32[np.ndarray, "train features"]
    train_target: Num[np.ndarray, "train ..."]
    dev: Float32[np.ndarray, "dev features"]
    dev_target: Num[np.ndarray, "dev ..."]
    dev_half: Int64[np.ndarray, " dev"]
    target_scale: TargetScale | None = None


@dataclass
class Trained:
    """What came of models that were trained together.

    Attributes:
        parameters: Of each model, at its best epoch, [models, ...].
        best_epoch: First epoch with the best dev score, from 1 on, [models].
        dev_score: That score, [models].
        learning_rates: What each model's schedule said in each epoch, [epochs, models].
        halves: The epochs that each half of dev prefers.
    """

    parameters: Parameters
    best_epoch: Int64[np.ndarray, " models"]
    dev_score: Float[np.ndarray, " models"]
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
    task, loss = data.task, LOSSES[data.task.loss]
    known, known_of_dev = data.targets(ids), data.targets(dev_ids)
    scale = task.target_scale(known.to_numpy())
    half = halves_of(dev_ids, task.strata(known_of_dev))
    target = loss.encode(known, data.classes, scale)
    # Dev is scored by the task itself, which takes numbers as the corpus has them.
    is_label = task.loss == "cross-entropy"
    dev_target = (
        loss.encode(known_of_dev, data.classes, None)
        if is_label
        else known_of_dev.to_numpy(dtype=np.float64)
    )
    return Fold(data.first_fold + number, train, target, dev, dev_target, half, scale)


def sample_order(seed: int, fold: Fold, epoch: int) -> Int64[np.ndarray, " train"]:
    """Return the order of an epoch's samples."""
    return np.random.default_rng([seed, fold.number, epoch]).permutation(len(fold.train))
