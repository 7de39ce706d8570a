"""Scores of frames by a small network, for many models that share the frames."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tokser.experiments.heads.frames.products import product
from tokser.experiments.heads.frames.ragged import linear

__all__ = ["attention_scores"]


def attention_scores(
    rows: Float[Tensor, "shared rows dim"],
    weight: Float[Tensor, "models dim hidden"],
    bias: Float[Tensor, "models 1 hidden"],
    score: Float[Tensor, "models hidden heads"],
    precision: torch.dtype | None = None,
) -> Float[Tensor, "models heads rows"]:
    """Return e_t = v^T tanh(W^T x_t + b) of each model and attention head.

    Args:
        rows: x, of each model, or [1, rows, dim] for all of them.
        weight: W.
        bias: b.
        score: v of each attention head.
        precision: Of the products with shared frames, and of what lies between them; parameters,
            scores and gradients stay as they are. None: that of the frames.
    """
    if len(rows) > 1 or rows.requires_grad:
        hidden = linear(rows, weight, bias).tanh()
        return (hidden @ score).transpose(1, 2)
    scores: Tensor = _SharedScores.apply(rows[0], weight, bias, score, precision or rows.dtype)
    return scores


class _SharedScores(torch.autograd.Function):
    """One product for all models, its hidden units kept in place; frames get no gradient.

    tanh(z) = 2 s - 1 with s = sigmoid(2 z), which costs a quarter of a tanh. With
    H = sigmoid(2 [W_1 ... W_P]^T X^T + 2 b) and V the matrix that has 2 v_1 ... 2 v_P on its block
    diagonal, the scores are S = V^T H - v^T 1. From dS follow dV = H dS^T - 1 dS^T,
    dZ = 2 V dS H (1 - H), dW^T = dZ X and db = dZ 1. Hidden units lie along rows: no matrix needs
    to be transposed.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, score: Tensor, precision: torch.dtype
    ) -> Tensor:
        models, wide, narrow = weight.shape
        together = (2 * weight).to(precision).transpose(1, 2).reshape(models * narrow, wide)
        rows = rows.to(precision)
        hidden = product(together, rows.T, (2 * bias).to(precision).reshape(-1, 1)).sigmoid_()
        on_diagonal = torch.block_diag(*(2 * score).transpose(1, 2).to(precision))
        ctx.save_for_backward(rows, hidden, on_diagonal)
        ctx.shapes = weight.shape, score.shape
        scores = product(on_diagonal, hidden).to(score.dtype)
        return scores.view(models, -1, len(rows)).sub_(score.sum(dim=1)[..., None])

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor | None, ...]:
        rows, hidden, on_diagonal = ctx.saved_tensors
        (models, wide, narrow), (_, _, heads) = ctx.shapes
        outer = errors[0].dtype
        error = errors[0].flatten(0, 1).to(hidden.dtype)
        to_diagonal = product(error, hidden.T).to(outer).view(models, heads, models, narrow)
        to_score = to_diagonal.diagonal(dim1=0, dim2=2).permute(2, 1, 0)
        to_score = 2 * to_score - errors[0].sum(dim=-1)[:, None]
        to_hidden = product((2 * on_diagonal).T.contiguous(), error)
        torch.ops.aten.sigmoid_backward.grad_input(to_hidden, hidden, grad_input=to_hidden)
        to_weight = product(to_hidden, rows).to(outer).view(models, narrow, wide).transpose(1, 2)
        to_bias = to_hidden.sum(dim=1).to(outer).view(models, 1, narrow)
        return None, to_weight, to_bias, to_score, None
