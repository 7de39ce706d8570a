"""Gradients of many classifiers, written straight to where the optimiser reads them.

Written out, because autograd's books and newly allocated gradients cost as much as the
arithmetic itself where batches are small.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from tokser.experiments.heads.mlp.model import Block, Parameters, run_blocks

__all__ = ["write_gradients"]


def write_gradients(
    gradients: Parameters,
    parameters: Parameters,
    inputs: Float[Tensor, "models batch features"],
    error_of: Callable[[Tensor], Tensor],
) -> None:
    """Overwrite `gradients` with those of each model's loss.

    Args:
        gradients: Where they go, of the shapes of `parameters`.
        parameters: Parameters of the models.
        inputs: Standardised functionals.
        error_of: Returns dL/dy of the outputs y, [models, batch, outputs], see `losses`.
    """
    blocks = run_blocks(parameters, inputs)
    hidden = blocks[-1].outputs if blocks else inputs
    error = error_of(torch.baddbmm(parameters[-1], hidden, parameters[-2]))
    _write_linear(gradients[-2:], hidden, error)
    weight = parameters[-2]
    for number in reversed(range(len(blocks))):
        own = slice(4 * number, 4 * number + 4)
        error = torch.bmm(error, weight.transpose(1, 2))
        error = _through_block(gradients[own], blocks[number], parameters[own][2], error)
        weight = parameters[own][0]


def _through_block(
    gradients: Parameters,
    block: Block,
    gain: Float[Tensor, "models 1 narrow"],
    error: Float[Tensor, "models batch narrow"],
) -> Float[Tensor, "models batch narrow"]:
    """Take dL/d outputs of a block to dL/d z, where z is what its Linear puts out.

    With n the normed z, sigma its standard deviation, a = relu(n g + s) and
    e = dL/da [a > 0]: dg = sum e n, ds = sum e, and with u = e g

        dz = (u - mean(u) - n mean(u n)) / sigma.
    """
    error = error * block.outputs.sign()  # no ReLU puts out less than 0; faster than a bool
    gradients[2].copy_((error * block.normed).sum(dim=1, keepdim=True))
    gradients[3].copy_(error.sum(dim=1, keepdim=True))
    error = error * gain
    shared = (error * block.normed).mean(dim=-1, keepdim=True)
    error = error - error.mean(dim=-1, keepdim=True) - block.normed * shared
    error = error * block.scale
    _write_linear(gradients[:2], block.inputs, error)
    return error


def _write_linear(
    gradients: Parameters,
    inputs: Float[Tensor, "models batch wide"],
    error: Float[Tensor, "models batch narrow"],
) -> None:
    """Write dL/dW and dL/db of z = h W + b, from h and dL/dz."""
    # Not `out=`: on Apple GPUs some operations write past the strides of what they are given.
    gradients[0].copy_(torch.bmm(inputs.transpose(1, 2), error))
    gradients[1].copy_(error.sum(dim=1, keepdim=True))
