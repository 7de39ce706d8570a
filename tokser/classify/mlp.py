"""The report's feedforward classifier, many of them side by side along a leading axis."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["Stack", "forward", "initialise"]

Stack = list[Tensor]
"""Parameters of P models, each [P, ...]: per block weight, bias, gain, shift; last weight, bias."""


def initialise(widths: Sequence[int], seeds: Sequence[Sequence[int]]) -> Stack:
    """Draw the parameters of one model per seed, as `torch.nn.Linear` would.

    Args:
        widths: Features, hidden widths, classes.
        seeds: What each model's numbers are drawn from; equal seeds give equal models.

    Returns:
        The stack, on the CPU.
    """
    models = [_one_model(widths, _generator(seed)) for seed in seeds]
    return [torch.stack(parameters) for parameters in zip(*models, strict=True)]


def forward(
    stack: Stack, inputs: Float[Tensor, "models batch features"]
) -> Float[Tensor, "models batch classes"]:
    """Apply blocks of [Linear, LayerNorm, ReLU] and a last Linear, each model to its inputs.

    Args:
        stack: Parameters of the models.
        inputs: Standardised functionals.

    Returns:
        Logits.

    Source: report, section 4.3. Departs: the widths 128, 64, 32 are the first author's habit,
    the report gives none.
    """
    *blocks, weight, bias = stack
    hidden = inputs
    for block in range(0, len(blocks), 4):
        block_weight, block_bias, gain, shift = blocks[block : block + 4]
        hidden = torch.baddbmm(block_bias, hidden, block_weight)
        hidden = functional.layer_norm(hidden, hidden.shape[-1:])
        hidden = functional.relu(torch.addcmul(shift, hidden, gain))
    return torch.baddbmm(bias, hidden, weight)


def _one_model(widths: Sequence[int], generator: torch.Generator) -> list[Tensor]:
    parameters = []
    for number, (wide, narrow) in enumerate(itertools.pairwise(widths)):
        bound = wide**-0.5
        for shape in ((wide, narrow), (1, narrow)):
            uniform = torch.rand(shape, generator=generator)
            parameters.append((2 * uniform - 1) * bound)
        if number < len(widths) - 2:
            parameters += [torch.ones(1, narrow), torch.zeros(1, narrow)]
    return parameters


def _generator(seed: Sequence[int]) -> torch.Generator:
    state = np.random.SeedSequence(list(seed)).generate_state(1)[0]
    return torch.Generator().manual_seed(int(state))
