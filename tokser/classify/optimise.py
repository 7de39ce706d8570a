"""Adam and the plateau schedule, for many models side by side.

Each model has its own step count and learning rate, and a model without samples in a step
does not move: point for point the same training as each of them alone.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tokser.classify.mlp import Stack

__all__ = ["Plateau", "StackedAdam"]


class StackedAdam:
    """Adam (Kingma & Ba, 2015) with torch's defaults, along a leading axis of models.

    Args:
        stack: Parameters, each [models, ...]; changed in place.
    """

    def __init__(self, stack: Stack, *, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self._stack, self._betas, self._epsilon = stack, betas, 1e-8
        self._first = [torch.zeros_like(parameter) for parameter in stack]
        self._second = [torch.zeros_like(parameter) for parameter in stack]
        self._steps = torch.zeros(len(stack[0]), 1, 1, dtype=torch.float64)

    @torch.no_grad()
    def step(
        self,
        gradients: Stack,
        learning_rates: Float[Tensor, " models"],
        is_active: Bool[Tensor, " models"],
    ) -> None:
        """Move every active model by one step; the others keep parameters and moments.

        Args:
            gradients: Of each parameter.
            learning_rates: On the CPU.
            is_active: Which models had samples in this step, on the CPU.
        """
        beta1, beta2 = self._betas
        active = is_active.double()[:, None, None]
        self._steps += active
        device = self._stack[0].device
        count = self._steps.clamp(min=1)
        step_sizes = learning_rates.double()[:, None, None] * active / (1 - beta1**count)
        corrections = (1 - beta2**count).sqrt()
        step_sizes, corrections, weight1, weight2 = (
            values.float().to(device)
            for values in (step_sizes, corrections, active * (1 - beta1), active * (1 - beta2))
        )
        for parameter, gradient, first, second in zip(
            self._stack, gradients, self._first, self._second, strict=True
        ):
            first.lerp_(gradient, weight1)
            second.lerp_(gradient.square(), weight2)
            denominator = second.sqrt().div_(corrections).add_(self._epsilon)
            parameter.sub_(first.div(denominator).mul_(step_sizes))


class Plateau:
    """Lower each model's learning rate when its dev UAR stops rising.

    Follows `torch.optim.lr_scheduler.ReduceLROnPlateau(mode="max")` with its defaults.

    Args:
        learning_rates: Where the models start, [models].
        factor: What a learning rate is multiplied by.
        patience: Epochs without a rise that are put up with.
    """

    THRESHOLD = 1e-4
    SMALLEST_CHANGE = 1e-8

    def __init__(
        self, learning_rates: Float[np.ndarray, " models"], *, factor: float, patience: int
    ) -> None:
        self.learning_rates = learning_rates.astype(np.float64)
        self._factor, self._patience = factor, patience
        self._best = np.full(len(learning_rates), -np.inf)
        self._num_bad = np.zeros(len(learning_rates), dtype=np.int64)

    def step(self, dev_uar: Float[np.ndarray, " models"]) -> None:
        """Take note of an epoch's dev UAR."""
        is_better = dev_uar > self._best * (1 + self.THRESHOLD)
        is_better |= np.isneginf(self._best)
        self._best = np.where(is_better, dev_uar, self._best)
        self._num_bad = np.where(is_better, 0, self._num_bad + 1)
        is_stuck = self._num_bad > self._patience
        lowered = np.where(is_stuck, self.learning_rates * self._factor, self.learning_rates)
        is_change = self.learning_rates - lowered > self.SMALLEST_CHANGE
        self.learning_rates = np.where(is_change, lowered, self.learning_rates)
        self._num_bad = np.where(is_stuck, 0, self._num_bad)
