"""Means over frames of a rectified linear layer, for many models that share the frames."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tokser.experiments.heads.frames.products import product
from tokser.experiments.heads.frames.ragged import linear, segment_means

__all__ = ["rectified_means"]


def rectified_means(
    rows: Float[Tensor, "shared rows wide"],
    weight: Float[Tensor, "models wide narrow"],
    bias: Float[Tensor, "models 1 narrow"],
    lengths: Sequence[int],
    precision: torch.dtype | None = None,
) -> Float[Tensor, "models batch narrow"]:
    """Return mean_t(relu(x_t W + b)) over the frames t of each utterance.

    Args:
        rows: x, of each model, or [1, rows, wide] for all of them.
        weight: W.
        bias: b.
        lengths: Frames of each utterance.
        precision: Of the products with shared frames, and of what lies between them; parameters,
            means and gradients stay as they are. None: that of the frames.
    """
    if len(rows) > 1 or rows.requires_grad:
        return segment_means(linear(rows, weight, bias).relu(), lengths)
    used = precision or rows.dtype
    means: Tensor = _SharedMeans.apply(rows[0], weight, bias, tuple(lengths), used)
    return means


class _SharedMeans(torch.autograd.Function):
    """One product for all models, its hidden units kept in place; frames get no gradient.

    With H = relu(X [W_1 ... W_P] + b), the means of utterance u over its n_u frames are
    m_u = sum_t h_t / n_u. From dm follow dz_t = dm_u / n_u where h_t > 0 and 0 elsewhere,
    dW = X^T dZ and db = 1^T dZ.
    """

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        weight: Tensor,
        bias: Tensor,
        lengths: tuple[int, ...],
        precision: torch.dtype,
    ) -> Tensor:
        models, wide, narrow = weight.shape
        together = weight.to(precision).transpose(0, 1).reshape(wide, models * narrow)
        rows = rows.to(precision)
        hidden = product(rows, together, bias.to(precision).reshape(-1)).relu_()
        ctx.save_for_backward(rows, hidden)
        ctx.shape, ctx.lengths = weight.shape, lengths
        means = weight.new_empty(len(lengths), models * narrow)
        for out, own in zip(means, hidden.split(list(lengths)), strict=True):
            torch.mean(own, dim=0, dtype=means.dtype, out=out)
        return means.view(-1, models, narrow).transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor | None, ...]:
        rows, hidden = ctx.saved_tensors
        models, wide, narrow = ctx.shape
        outer = errors[0].dtype
        counts = torch.tensor(ctx.lengths, device=errors[0].device)
        shares = (errors[0] / counts[:, None]).transpose(0, 1).contiguous()
        to_hidden = hidden  # in place: new memory of this size costs as much as the product
        pass_rectifier = torch.ops.aten.threshold_backward.grad_input
        for share, own in zip(
            shares.flatten(1).to(hidden.dtype), to_hidden.split(list(ctx.lengths)), strict=True
        ):
            pass_rectifier(share.expand_as(own), own, 0, grad_input=own)
        to_weight = product(rows.T, to_hidden).to(outer)
        to_weight = to_weight.view(wide, models, narrow).transpose(0, 1)
        to_bias = to_hidden.sum(dim=0).to(outer).view(models, 1, narrow)
        return None, to_weight, to_bias, None, None
