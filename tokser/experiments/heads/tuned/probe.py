"""The last linear layer fitted to untouched blocks, before blocks and head are trained together.

From a random last layer, the first gradients distort what the encoder knows.

Source: Kumar et al. 2022, Fine-tuning can distort pretrained features (linear probing first).
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["fit_last_layer"]

STEPS = 200
"""Of L-BFGS; 50 to 100 reach the optimum of a few hundred utterances."""
STRENGTH = 0.01
"""C: with 1, as scikit-learn has it, a few hundred utterances are told apart without an error, and
the loss leaves nothing for the blocks to learn."""


def fit_last_layer(
    parameters: Mapping[str, Tensor],
    pooled: Float[Tensor, "utterances width"],
    loss: Callable[[Tensor], Tensor],
) -> None:
    """Minimise loss(x W + b) + |W|^2 / (2 n C) in place: logistic regression, or ridge.

    Args:
        parameters: Of a head: `output.weight` is W, [1, width, outputs], `output.bias` b.
        pooled: x of n utterances.
        loss: Of outputs [utterances, outputs].
    """
    weight, bias = parameters["output.weight"], parameters["output.bias"]
    with torch.no_grad():
        weight.zero_()
        bias.zero_()
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=STEPS, tolerance_change=1e-7, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad(set_to_none=True)
        total = loss(torch.addmm(bias[0], pooled, weight[0]))
        total = total + weight.square().sum() / (2 * STRENGTH * len(pooled))
        total.backward()
        return total

    optimiser.step(closure)
    optimiser.zero_grad(set_to_none=True)
