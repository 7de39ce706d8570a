"""Losses of networks: what is minimised, its gradient at the outputs, and what outputs mean.

Models lie along a leading axis. Each loss is a mean over the utterances of a batch, so none depends
on how many there are.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float32, Shaped
from torch import Tensor
from torch.nn import functional

from tokser.experiments.task import Known, Loss, TargetScale

__all__ = ["LOSSES", "Activation", "TrainingLoss", "activated", "class_importance"]

Activation = Literal["softmax", "sigmoid", "number"]
"""What a network's last layer is read as: shares that sum to 1, shares of their own, a number."""
_LEAST_SPREAD = 1e-8
"""Below it, predictions and truth do not vary: CCC counts as 0, and passes no gradient."""


def class_importance(
    labels: Shaped[np.ndarray, " train"], num_classes: int, *, is_balanced: bool
) -> Float32[np.ndarray, " classes"]:
    """Return what each class weighs in the loss: 1, or n / (classes * n of the class)."""
    if not is_balanced:
        return np.ones(num_classes, dtype=np.float32)
    counts = np.bincount(labels, minlength=num_classes)
    weights: np.ndarray = len(labels) / (num_classes * np.maximum(counts, 1))
    return weights.astype(np.float32)


def activated(outputs: Tensor, activation: Activation) -> Tensor:
    """Return what outputs are read as, [..., outputs]; of a number, [...]."""
    if activation == "number":
        return outputs[..., 0]
    return outputs.softmax(dim=-1) if activation == "softmax" else outputs.sigmoid()


class TrainingLoss(ABC):
    """One loss.

    Attributes:
        activation: What the outputs are read as.
    """

    activation: ClassVar[Activation]

    @abstractmethod
    def encode(
        self, known: Known, classes: Sequence[str], scale: TargetScale | None
    ) -> Shaped[np.ndarray, "utterances ..."]:
        """Return what is known of utterances as training takes it."""

    def importance(
        self, target: Shaped[np.ndarray, "train ..."], num_classes: int, *, is_balanced: bool
    ) -> Float32[np.ndarray, "..."]:
        """Return what classes weigh, by the training part; 1 where nothing is weighted."""
        return np.ones(1, dtype=np.float32)

    def weights(
        self,
        target: Shaped[Tensor, "models batch *outputs"],
        importance: Float[Tensor, "models ..."],
        is_chosen: Bool[Tensor, "models batch"],
    ) -> Float[Tensor, "models batch"]:
        """Return what each utterance counts, 0 for padding, the sum being 1."""
        chosen = is_chosen.float()
        return chosen / chosen.sum(dim=1, keepdim=True).clamp(min=1)

    @abstractmethod
    def error(
        self,
        outputs: Float[Tensor, "models batch outputs"],
        target: Shaped[Tensor, "models batch *outputs"],
        weights: Float[Tensor, "models batch"],
        importance: Float[Tensor, "models ..."],
    ) -> Float[Tensor, "models batch outputs"]:
        """Return dL/d outputs of each model's loss."""

    @abstractmethod
    def total(
        self,
        outputs: Float[Tensor, "models batch outputs"],
        target: Shaped[Tensor, "batch ..."],
        importance: Float[Tensor, "..."],
        smoothing: float = 0.0,
    ) -> Float[Tensor, ""]:
        """Return the sum of the models' losses on one batch; none reaches another's parameters.

        Args:
            outputs: Of each model.
            target: As `encode` returns it, the same for all models.
            importance: As `importance` returns it.
            smoothing: Share of each target that is spread over all classes.
        """


class CrossEntropy(TrainingLoss):
    """L = sum_i w_i (-log softmax(y_i)[label_i]), w_i the weight of its class, sum_i w_i = 1."""

    activation = "softmax"

    def encode(self, known: Known, classes: Sequence[str], scale: TargetScale | None) -> np.ndarray:
        """Return class numbers."""
        numbers = {name: number for number, name in enumerate(classes)}
        return np.array([numbers[label] for label in known], dtype=np.int64)

    def importance(
        self, target: np.ndarray, num_classes: int, *, is_balanced: bool
    ) -> Float32[np.ndarray, " classes"]:
        """Return the weight of each class."""
        return class_importance(target, num_classes, is_balanced=is_balanced)

    def weights(self, target: Tensor, importance: Tensor, is_chosen: Tensor) -> Tensor:
        """Return the weight of each utterance's class."""
        weights = importance.gather(1, target) * is_chosen
        total = weights.sum(dim=1, keepdim=True)
        return weights / total.where(total > 0, 1)

    def error(self, outputs: Tensor, target: Tensor, weights: Tensor, importance: Tensor) -> Tensor:
        """Return w_i (softmax(y_i) - onehot_i)."""
        truth = functional.one_hot(target, outputs.shape[-1])
        return (outputs.softmax(dim=-1) - truth) * weights[..., None]

    def total(
        self, outputs: Tensor, target: Tensor, importance: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        """Return the sum over models."""
        num_classes = outputs.shape[-1]
        wanted = functional.one_hot(target, num_classes) * (1 - smoothing) + smoothing / num_classes
        weights = importance[target]
        errors = -(outputs.log_softmax(dim=-1) * wanted).sum(dim=-1)
        return (errors * weights).sum() / weights.sum()


class ShareCrossEntropy(TrainingLoss):
    """L = -sum_ic m_ic log softmax(y_i)[c] / sum_ic m_ic, m_ic = v_c s_ic.

    s_ic is the share of class c in what annotators said of utterance i, v_c what the class weighs.
    That is cross-entropy on a row for each utterance and class, weighted by m_ic.
    """

    activation = "softmax"

    def encode(self, known: Known, classes: Sequence[str], scale: TargetScale | None) -> np.ndarray:
        """Return shares."""
        return np.asarray(pd.DataFrame(known)[list(classes)], dtype=np.float32)

    def importance(
        self, target: np.ndarray, num_classes: int, *, is_balanced: bool
    ) -> Float32[np.ndarray, " classes"]:
        """Return v_c = 1, or n / (classes * sum_i s_ic)."""
        if not is_balanced:
            return np.ones(num_classes, dtype=np.float32)
        mass = target.sum(axis=0, dtype=np.float64)
        found = np.where(mass > 0, len(target) / (num_classes * np.where(mass > 0, mass, 1)), 1)
        return found.astype(np.float32)

    def weights(self, target: Tensor, importance: Tensor, is_chosen: Tensor) -> Tensor:
        """Return 1 / sum_ic m_ic for each utterance of the batch."""
        chosen = is_chosen.float()
        total = ((target * importance[:, None]).sum(dim=-1) * chosen).sum(dim=1, keepdim=True)
        return chosen / total.where(total > 0, 1)

    def error(self, outputs: Tensor, target: Tensor, weights: Tensor, importance: Tensor) -> Tensor:
        """Return (sum_c m_ic softmax(y_i) - m_i) / sum_ic m_ic."""
        mass = target * importance[:, None]
        whole = mass.sum(dim=-1, keepdim=True)
        return (outputs.softmax(dim=-1) * whole - mass) * weights[..., None]

    def total(
        self, outputs: Tensor, target: Tensor, importance: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        """Return the sum over models."""
        mass = (target * (1 - smoothing) + smoothing / outputs.shape[-1]) * importance
        return -(outputs.log_softmax(dim=-1) * mass).sum() / mass.sum()


class BinaryCrossEntropy(TrainingLoss):
    """L = mean_ic v_ic (-t_ic log p_ic - (1 - t_ic) log(1 - p_ic)), p = sigmoid(y).

    t_ic is 1 where class c is present in utterance i; v_ic is 1, or n / (2 n of its side of class
    c).
    """

    activation = "sigmoid"

    def encode(self, known: Known, classes: Sequence[str], scale: TargetScale | None) -> np.ndarray:
        """Return 1 where a class is present, else 0."""
        return np.asarray(pd.DataFrame(known)[list(classes)] > 0, dtype=np.float32)

    def importance(
        self, target: np.ndarray, num_classes: int, *, is_balanced: bool
    ) -> Float32[np.ndarray, "classes 2"]:
        """Return what absence and presence of each class weigh."""
        if not is_balanced:
            return np.ones((num_classes, 2), dtype=np.float32)
        present = target.sum(axis=0, dtype=np.float64)
        sides = np.stack([len(target) - present, present], axis=1)
        return np.asarray(len(target) / (2 * np.maximum(sides, 1)), dtype=np.float32)

    def error(self, outputs: Tensor, target: Tensor, weights: Tensor, importance: Tensor) -> Tensor:
        """Return v_ic (p_ic - t_ic) / (n classes)."""
        sides = self._sides(target, importance[:, None])
        return (outputs.sigmoid() - target) * sides * (weights[..., None] / outputs.shape[-1])

    def total(
        self, outputs: Tensor, target: Tensor, importance: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        """Return the sum over models."""
        wanted = (target * (1 - smoothing) + smoothing / 2).expand_as(outputs)
        losses = functional.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")
        return (losses * self._sides(target, importance)).mean(dim=(1, 2)).sum()

    @staticmethod
    def _sides(target: Tensor, importance: Tensor) -> Tensor:
        return torch.where(target > 0, importance[..., 1], importance[..., 0])


class SquaredDifference(TrainingLoss):
    """L = mean_i (y_i - x_i)^2, on the scale of the training part."""

    activation = "number"

    def encode(self, known: Known, classes: Sequence[str], scale: TargetScale | None) -> np.ndarray:
        """Return numbers on the scale of the training part."""
        values = known.to_numpy(dtype=np.float64)
        return np.asarray(values if scale is None else scale.apply(values), dtype=np.float32)

    def error(self, outputs: Tensor, target: Tensor, weights: Tensor, importance: Tensor) -> Tensor:
        """Return 2 (y_i - x_i) / n."""
        return 2 * (outputs - target[..., None]) * weights[..., None]

    def total(
        self, outputs: Tensor, target: Tensor, importance: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        """Return the sum over models."""
        return (outputs[..., 0] - target).square().mean(dim=1).sum()


class Concordance(SquaredDifference):
    """L = 1 - CCC, CCC = 2 cov(x, y) / D, D = var(x) + var(y) + (mean(x) - mean(y))^2.

    Moments are those of the batch, so a batch of one utterance teaches nothing.

    Source: Lin 1989; as a loss, Trigeorgis et al. 2016.
    """

    def error(self, outputs: Tensor, target: Tensor, weights: Tensor, importance: Tensor) -> Tensor:
        """Return -2 / (n D) ((x_i - mean(x)) - CCC (y_i - mean(x))), of n utterances."""
        truth, guess = target, outputs[..., 0]
        centre = (weights * truth).sum(dim=1, keepdim=True)
        covariance, spread = self._moments(truth, guess, weights)
        varies = spread > _LEAST_SPREAD
        inverse = torch.where(varies, 1 / spread.clamp(min=_LEAST_SPREAD), 0)
        concordance = 2 * covariance * inverse
        gradient = (truth - centre) - concordance * (guess - centre)
        return (-2 * inverse * weights * gradient)[..., None]

    def total(
        self, outputs: Tensor, target: Tensor, importance: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        """Return the sum over models."""
        guess = outputs[..., 0]
        weights = torch.full_like(guess, 1 / guess.shape[1])
        covariance, spread = self._moments(target.expand_as(guess), guess, weights)
        inverse = torch.where(spread > _LEAST_SPREAD, 1 / spread.clamp(min=_LEAST_SPREAD), 0)
        return (1 - 2 * covariance * inverse).sum()

    @staticmethod
    def _moments(truth: Tensor, guess: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return cov(x, y) and D of each model, [models, 1]."""
        x, y = ((weights * one).sum(dim=1, keepdim=True) for one in (truth, guess))
        from_x, from_y = truth - x, guess - y
        covariance = (weights * from_x * from_y).sum(dim=1, keepdim=True)
        squares = weights * (from_x.square() + from_y.square())
        return covariance, squares.sum(dim=1, keepdim=True) + (x - y).square()


LOSSES: dict[Loss, TrainingLoss] = {
    "cross-entropy": CrossEntropy(),
    "cross-entropy on shares": ShareCrossEntropy(),
    "binary cross-entropy": BinaryCrossEntropy(),
    "squared error": SquaredDifference(),
    "concordance": Concordance(),
}
"""Losses that networks can be trained with, by what tasks and heads call them."""
