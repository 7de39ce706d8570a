"""The paper's feedforward classifier, many of them side by side along a leading axis."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "LAYER_NORM_EPSILON",
    "Block",
    "Parameters",
    "flatten",
    "forward",
    "initialise",
    "run_blocks",
    "unflatten",
]

Parameters = list[Tensor]
"""Parameters of P models, each [P, ...]: per block weight, bias, gain, shift; last weight, bias."""

LAYER_NORM_EPSILON = 1e-5
"""Added to variances, as `torch.nn.LayerNorm` does."""


class Block(NamedTuple):
    """What one block [Linear, LayerNorm, ReLU] computes; its gradients follow from these.

    Attributes:
        inputs: Of the Linear.
        normed: Its outputs with mean 0 and standard deviation 1 in each row.
        scale: 1 / standard deviation of each row.
        outputs: Of the ReLU.
    """

    inputs: Float[Tensor, "models batch wide"]
    normed: Float[Tensor, "models batch narrow"]
    scale: Float[Tensor, "models batch 1"]
    outputs: Float[Tensor, "models batch narrow"]


def initialise(widths: Sequence[int], seeds: Sequence[Sequence[int]]) -> Parameters:
    """Draw the parameters of one model per seed, as `torch.nn.Linear` would.

    Args:
        widths: Features, hidden widths, classes.
        seeds: What each model's numbers are drawn from; equal seeds give equal models.

    Returns:
        The parameters, on the CPU.
    """
    models = [_one_model(widths, _generator(seed)) for seed in seeds]
    return [torch.stack(parameters) for parameters in zip(*models, strict=True)]


def flatten(parameters: Parameters) -> Float[Tensor, "models parameters"]:
    """Copy each model's parameters into one row."""
    return torch.cat([parameter.flatten(1) for parameter in parameters], dim=1)


def unflatten(rows: Float[Tensor, "models parameters"], like: Parameters) -> Parameters:
    """Cut rows into parameters of the shapes of `like`; they share the rows' memory."""
    pieces = torch.split(rows, [parameter[0].numel() for parameter in like], dim=1)
    return [piece.view(p.shape) for piece, p in zip(pieces, like, strict=True)]


def forward(
    parameters: Parameters, inputs: Float[Tensor, "models batch features"]
) -> Float[Tensor, "models batch classes"]:
    """Apply blocks of [Linear, LayerNorm, ReLU] and a last Linear, each model to its inputs.

    Args:
        parameters: Parameters of the models.
        inputs: Standardised functionals.

    Returns:
        Logits.

    Source: paper, section 4.3. Departs: the widths 128, 64, 32 are the first author's habit,
    the paper gives none.
    """
    blocks = run_blocks(parameters, inputs)
    hidden = blocks[-1].outputs if blocks else inputs
    return torch.baddbmm(parameters[-1], hidden, parameters[-2])


def run_blocks(
    parameters: Parameters, inputs: Float[Tensor, "models batch features"]
) -> list[Block]:
    """Apply all blocks, and keep what each of them computes."""
    blocks: list[Block] = []
    hidden = inputs
    for first in range(0, len(parameters) - 2, 4):
        weight, bias, gain, shift = parameters[first : first + 4]
        linear = torch.baddbmm(bias, hidden, weight)
        centred = linear - linear.mean(dim=-1, keepdim=True)
        scale = (centred.square().mean(dim=-1, keepdim=True) + LAYER_NORM_EPSILON).rsqrt()
        normed = centred * scale
        blocks.append(Block(hidden, normed, scale, torch.addcmul(shift, normed, gain).relu()))
        hidden = blocks[-1].outputs
    return blocks


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
