"""Attentive statistics by what `compiled` compiles, with their gradients."""

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from tokser.experiments.heads.frames.products import product
from tokser.experiments.heads.frames.ragged import LEAST_VARIANCE, spans

__all__ = [
    "as_array",
    "compile_statistics",
    "compiled_statistics",
    "has_compiler",
    "suits_compiled",
]

COLUMNS, UNITS = 32, 16
"""Numbers of a frame, and hidden units of a model, are taken so many at a time."""
_LEAST = np.float32(LEAST_VARIANCE)


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
    from tokser.experiments.heads.frames import compiled, elementary, tiles
    from tokser.experiments.heads.mlp import tiles as mlp_tiles

    sources = (compiled, elementary, tiles, mlp_tiles, compiled_function)
    compile_apart(compiled.turn_back, sources, warm_up)


def warm_up() -> None:
    """Compute a tiny batch in both precisions, so that everything lies in the cache."""
    from tokser.experiments.heads.frames import compiled

    rows, shapes = torch.zeros(1, 3, COLUMNS), ((1, COLUMNS, UNITS), (1, 1, UNITS), (1, UNITS, 1))
    for precision in (torch.float32, torch.bfloat16):
        weight, bias, score = (torch.zeros(shape, requires_grad=True) for shape in shapes)
        rounded = rows[0].to(precision)
        for kind in (np.float32, np.int16):
            stored, scaling = np.zeros(rows[0].shape, kind), np.zeros((2, COLUMNS), np.float32)
            stored.flags.writeable = False
            compiled.standardise(stored, scaling, rows[0].numpy(), as_array(rounded))
        compiled_statistics(rows, weight, bias, score, (2, 1), rounded).sum().backward()


def compiled_statistics(
    rows: Float[Tensor, "1 rows dim"],
    weight: Float[Tensor, "models dim hidden"],
    bias: Float[Tensor, "models 1 hidden"],
    score: Float[Tensor, "models hidden heads"],
    lengths: Sequence[int],
    rounded: Shaped[Tensor, "rows dim"] | None = None,
) -> Float[Tensor, "models batch width"]:
    """Return weighted means, then weighted standard deviations, of each model and attention head.

    Args:
        rows: Frames of all models, one utterance after the other.
        weight: Of the attention's first layer.
        bias: Of the same.
        score: What scores are made with of hidden units.
        lengths: Frames of each utterance.
        rounded: Frames in the precision of the two large products, and of hidden units between
            them; none: as they are.
    """
    rounded = rows[0] if rounded is None else rounded
    found: Tensor = _Statistics.apply(rows[0], weight, bias, score, tuple(lengths), rounded)
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
        rounded: Tensor,
    ) -> Tensor:
        from tokser.experiments.heads.frames import compiled

        models, wide, num = weight.shape
        heads = score.shape[-1]
        together = torch.empty(models, num, wide, dtype=rounded.dtype)
        compiled.turn_weights(as_array(weight), as_array(together))
        hidden = product(together.view(-1, wide), rounded.T)
        vectors = score.transpose(1, 2).contiguous()
        weights = rows.new_empty(models, heads, len(rows))
        units = as_array(hidden).reshape(models, num, -1)
        compiled.score(units, as_array(bias)[:, 0], as_array(vectors), as_array(weights))
        pooled = rows.new_empty(models, len(lengths), 2, heads, wide)
        ends = np.array([last for _, last in spans(lengths)])
        compiled.pool(as_array(weights), as_array(rows), ends, as_array(pooled), _LEAST)
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
        frames, sums, errors_of = as_array(rows), as_array(pooled), as_array(error)
        shares, found, least = as_array(weights), as_array(to_scores), np.sqrt(_LEAST)
        compiled.pass_pooled(shares, frames, ctx.ends, sums, errors_of, found, least)
        to_bias = rows.new_empty(models, num)
        arrays = (as_array(own) for own in (vectors, to_scores, to_vectors, to_bias))
        units = as_array(hidden).reshape(models, num, -1)
        compiled.pass_scores(units, *arrays)
        turned = product(hidden, rounded).view(models, num, -1)
        to_weight = rows.new_empty(models, rows.shape[1], num)
        compiled.turn_back(as_array(turned), as_array(to_weight))
        to_score = to_vectors.transpose(1, 2)
        return None, to_weight, to_bias[:, None], to_score, None, None


def as_array(values: Tensor) -> np.ndarray:
    """Return the memory of values, in their shape; bfloat16 as integers of 16 bits."""
    values = values.detach().contiguous()
    if values.dtype == torch.bfloat16:
        values = values.view(torch.uint16)
    return np.asarray(values.numpy())
