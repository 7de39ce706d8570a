"""Attentive statistics by what `compiled` compiles, with their gradients."""

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tokser.experiments.heads.frames.products import product
from tokser.experiments.heads.frames.ragged import spans

__all__ = ["compile_statistics", "compiled_statistics", "has_compiler", "suits_compiled"]

COLUMNS, UNITS = 32, 16
"""Numbers of a frame, and hidden units of a model, are taken so many at a time."""


@functools.cache
def has_compiler() -> bool:
    """Tell whether numba is installed, and the processor has registers enough for the tiles."""
    if find_spec("numba") is None:
        return False
    from llvmlite import binding

    return bool(binding.get_host_cpu_features().get("avx512f", False))


def suits_compiled(rows: Float[Tensor, "shared rows dim"], weight: Tensor) -> bool:
    """Tell whether statistics of these frames can be computed here."""
    is_shared = len(rows) == 1 and not rows.requires_grad and rows.is_contiguous()
    is_here = rows.device.type == "cpu" and rows.dtype == weight.dtype == torch.float32
    return is_shared and is_here and rows.shape[-1] % COLUMNS == 0 and weight.shape[-1] % UNITS == 0


def compile_statistics() -> None:
    """Compile, unless that was done on this machine; see `compile_apart`."""
    from tokser.experiments.heads import compiled_function
    from tokser.experiments.heads.compile_apart import compile_apart
    from tokser.experiments.heads.frames import compiled, tiles
    from tokser.experiments.heads.mlp import tiles as mlp_tiles

    sources = (compiled, tiles, mlp_tiles, compiled_function)
    compile_apart(compiled.turn_back, sources, warm_up)


def warm_up() -> None:
    """Compute a tiny batch in both precisions, so that everything lies in the cache."""
    rows, shapes = torch.zeros(1, 3, COLUMNS), ((1, COLUMNS, UNITS), (1, 1, UNITS), (1, UNITS, 1))
    for precision in (torch.float32, torch.bfloat16):
        weight, bias, score = (torch.zeros(shape, requires_grad=True) for shape in shapes)
        compiled_statistics(rows, weight, bias, score, (2, 1), precision).sum().backward()


def compiled_statistics(
    rows: Float[Tensor, "1 rows dim"],
    weight: Float[Tensor, "models dim hidden"],
    bias: Float[Tensor, "models 1 hidden"],
    score: Float[Tensor, "models hidden heads"],
    lengths: Sequence[int],
    precision: torch.dtype,
) -> Float[Tensor, "models batch width"]:
    """Return weighted means, then weighted standard deviations, of each model and attention head.

    Args:
        rows: Frames of all models, one utterance after the other.
        weight: Of the attention's first layer.
        bias: Of the same.
        score: What scores are made with of hidden units.
        lengths: Frames of each utterance.
        precision: Of the two large products, and of hidden units between them.
    """
    found: Tensor = _Statistics.apply(rows[0], weight, bias, score, tuple(lengths), precision)
    return found


class _Statistics(torch.autograd.Function):
    """Hidden units, scores, weights and sums of all models; gradients stand where values stood."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        weight: Tensor,
        bias: Tensor,
        score: Tensor,
        lengths: tuple[int, ...],
        precision: torch.dtype,
    ) -> Tensor:
        from tokser.experiments.heads.frames import compiled

        models, wide, num = weight.shape
        heads, rounded = score.shape[-1], rows.to(precision)
        together = torch.empty(models, num, wide, dtype=precision)
        compiled.turn_weights(_array(weight), _array(together))
        hidden = product(together.view(-1, wide), rounded.T)
        vectors = score.transpose(1, 2).contiguous()
        weights = rows.new_empty(models, heads, len(rows))
        units = _array(hidden).reshape(models, num, -1)
        compiled.score(units, _array(bias)[:, 0], _array(vectors), _array(weights))
        pooled = rows.new_empty(models, len(lengths), 2, heads, wide)
        ends = np.array([last for _, last in spans(lengths)])
        compiled.pool(_array(weights), _array(rows), ends, _array(pooled))
        ctx.save_for_backward(rows, rounded, vectors, weights, pooled)
        ctx.hidden, ctx.ends = hidden, ends
        return pooled.flatten(2)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor | None, ...]:
        from tokser.experiments.heads.frames import compiled

        rows, rounded, vectors, weights, pooled = ctx.saved_tensors
        hidden, ctx.hidden = ctx.hidden, None
        models, _, num = vectors.shape
        to_scores, to_vectors = torch.empty_like(weights), torch.empty_like(vectors)
        error = errors[0].contiguous().view(pooled.shape)
        arrays = (_array(own) for own in (pooled, error, to_scores))
        compiled.pass_pooled(_array(weights), _array(rows), ctx.ends, *arrays)
        to_bias = rows.new_empty(models, num)
        arrays = (_array(own) for own in (vectors, to_scores, to_vectors, to_bias))
        units = _array(hidden).reshape(models, num, -1)
        compiled.pass_scores(units, *arrays)
        turned = product(hidden, rounded).view(models, num, -1)
        to_weight = rows.new_empty(models, rows.shape[1], num)
        compiled.turn_back(_array(turned), _array(to_weight))
        to_score = to_vectors.transpose(1, 2)
        return None, to_weight, to_bias[:, None], to_score, None, None


def _array(values: Tensor) -> np.ndarray:
    """Return the memory of values; bfloat16 as integers of 16 bits."""
    values = values.detach().contiguous()
    if values.dtype == torch.bfloat16:
        values = values.view(torch.uint16)
    return np.asarray(values.numpy())
