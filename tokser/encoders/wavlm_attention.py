"""WavLM's attention with a position bias, as one fused operation."""

import types
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import WavLMModel

__all__ = ["fuse_attention"]


def fuse_attention(model: WavLMModel) -> None:
    """Let every block attend by `scaled_dot_product_attention`.

    transformers goes by PyTorch's older function, which writes out all attention weights, and
    warns about a mask in addition to the bias.
    """
    blocks: Any = model.encoder.layers
    for block in blocks:
        attention = block.attention
        attention.torch_multi_head_self_attention = types.MethodType(_attend, attention)


def _attend(
    attention: Any, hidden: torch.Tensor, mask: torch.Tensor | None, bias: torch.Tensor
) -> tuple[torch.Tensor, None]:
    """Attend within [rows, frames, dim]; bias is [rows * heads, frames, frames]."""
    rows, frames, _ = hidden.shape

    def heads(projected: torch.Tensor) -> torch.Tensor:
        return projected.view(rows, frames, attention.num_heads, -1).transpose(1, 2)

    bias = bias.view(rows, attention.num_heads, frames, frames)
    if mask is not None:
        bias = bias.masked_fill(~mask.bool()[:, None, None], float("-inf"))
    query, key, value = (
        heads(project(hidden)) for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    mixed = scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
    return attention.out_proj(mixed.transpose(1, 2).reshape(rows, frames, -1)), None
