"""Sums over the frames of each utterance, without padding, for many models at once."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from tokser.experiments.heads.frames.grouped_products import (
    frames_times_vectors,
    weights_times_frames,
)
from tokser.experiments.heads.frames.products import products

__all__ = ["LEAST_VARIANCE", "linear", "segment_means", "segment_softmax", "spans", "weighted_sums"]

LEAST_VARIANCE = 1e-5
"""Below it a variance counts as this, and passes no gradient: an utterance of one frame has 0."""

FEW = 16
"""Fewer outputs than these do not fill the vectors of a processor."""
Weights = Float[Tensor, "models weightings rows"]


def spans(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first row of each utterance, and the first that is no more its own."""
    return itertools.pairwise(itertools.accumulate(lengths, initial=0))


def linear(
    rows: Float[Tensor, "shared rows wide"],
    weight: Float[Tensor, "models wide narrow"],
    bias: Float[Tensor, "models 1 narrow"],
    precision: torch.dtype | None = None,
) -> Float[Tensor, "models rows narrow"]:
    """Return x W + b of each model; rows that all models share are one product.

    [rows, wide] x [wide, models * narrow] is one large product in place of several small ones.

    Args:
        rows: x, of each model, or [1, rows, wide] for all of them.
        weight: W.
        bias: b.
        precision: Of the products with 16 outputs or more; what is added, the result and gradients
            stay as they are. None: that of the rows.
    """
    models, wide, narrow = weight.shape
    used = precision or rows.dtype
    if len(rows) == models:
        own: Tensor = (
            _Linear.apply(rows, weight, bias, used)
            if narrow >= FEW
            else _FewOutputs.apply(rows, weight, bias)
        )
        return own
    together = weight.transpose(0, 1).reshape(1, wide, models * narrow)
    found: Tensor = _Linear.apply(rows, together, bias.reshape(1, 1, -1), used)
    return found[0].view(-1, models, narrow).transpose(0, 1)


def segment_softmax(scores: Weights, lengths: Sequence[int]) -> Weights:
    """Return softmax over the frames of each utterance.

    Scores are few, one for each frame: they alone are laid side by side, minus infinity after the
    last one, whose weight is exactly 0.

    Args:
        scores: One for each frame.
        lengths: Frames of each utterance.
    """
    longest = max(lengths)
    if all(length == longest for length in lengths):
        side_by_side = scores.view(*scores.shape[:-1], len(lengths), longest)
        return side_by_side.softmax(dim=-1).flatten(-2)
    counts = torch.tensor(list(lengths), device=scores.device)
    mask = torch.arange(longest, device=scores.device) < counts[:, None]
    padded = scores.new_full((*scores.shape[:-1], *mask.shape), -torch.inf)
    places = mask.flatten().nonzero()[:, 0]
    flat = padded.flatten(-2).index_copy(-1, places, scores)
    return flat.view(padded.shape).softmax(dim=-1).flatten(-2)[..., places]


def segment_means(
    rows: Float[Tensor, "models rows dim"], lengths: Sequence[int]
) -> Float[Tensor, "models batch dim"]:
    """Return the mean over the frames of each utterance.

    Args:
        rows: Frames, one utterance after the other.
        lengths: Frames of each utterance.
    """
    if all(length == 1 for length in lengths):
        return rows
    means: Tensor = _SegmentMeans.apply(rows, tuple(lengths))
    return means


def weighted_sums(
    weights: Weights, rows: Float[Tensor, "shared rows dim"], lengths: Sequence[int]
) -> Float[Tensor, "models batch weightings dim"]:
    """Return sum_t a_t x_t over the frames t of each utterance, for each weighting a.

    Args:
        weights: a, of each model and weighting.
        rows: x, of each model, or [1, rows, dim] for all of them.
        lengths: Frames of each utterance.
    """
    sums: Tensor = _WeightedSums.apply(weights, rows, tuple(lengths))
    return sums


class _Linear(torch.autograd.Function):
    """x W + b, a product for each model: they are large, and the library decides their speed."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, precision: torch.dtype
    ) -> Tensor:
        rows, weight = rows.to(precision), weight.to(precision)
        ctx.save_for_backward(rows, weight)
        if precision == bias.dtype:
            return products(rows, weight, bias)
        return products(rows, weight).to(bias.dtype).add_(bias)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        rows, weight = ctx.saved_tensors
        outer = errors[0].dtype
        error = errors[0].to(rows.dtype).contiguous()
        to_rows = None
        if ctx.needs_input_grad[0]:
            to_rows = products(error, weight.transpose(1, 2)).to(outer)
        to_weight = products(rows.transpose(1, 2), error).to(outer)
        return to_rows, to_weight, errors[0].sum(dim=1, keepdim=True), None


class _FewOutputs(torch.autograd.Function):
    """x W + b as (W^T x^T + b^T)^T, with gradients of that form: three times as fast."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        turned = weight.transpose(1, 2).contiguous()
        ctx.save_for_backward(rows, turned)
        return torch.baddbmm(bias.transpose(1, 2), turned, rows.transpose(1, 2)).transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows, turned = ctx.saved_tensors
        error = errors[0].contiguous()
        to_weight = (error.transpose(1, 2) @ rows).transpose(1, 2)
        return error @ turned, to_weight, error.sum(dim=1, keepdim=True)


class _SegmentMeans(torch.autograd.Function):
    """Means by utterance; the gradient of a frame is that of its utterance over its length."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, lengths: tuple[int, ...]) -> Tensor:
        ctx.lengths = lengths
        means = rows.new_empty(len(rows), len(lengths), rows.shape[-1])
        for place, (first, last) in enumerate(spans(lengths)):
            torch.mean(rows[:, first:last], dim=1, out=means[:, place])
        return means

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, None]:
        counts = torch.tensor(ctx.lengths, device=errors[0].device)
        shared = errors[0] / counts[:, None]
        owners = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
        return shared[:, owners], None


class _WeightedSums(torch.autograd.Function):
    """Products of weights and frames, an utterance at a time: each is read while in the cache."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, rows: Tensor, lengths: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(weights, rows)
        ctx.lengths = lengths
        models, num, _ = weights.shape
        if len(rows) == 1:
            found = weights_times_frames(weights.flatten(0, 1), rows[0], lengths)
            return found.view(len(lengths), models, num, -1).transpose(0, 1)
        sums = rows.new_empty(len(lengths), models, num, rows.shape[-1])
        for place, (first, last) in enumerate(spans(lengths)):
            torch.bmm(weights[..., first:last], rows[:, first:last], out=sums[place])
        return sums.transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, Tensor | None, None]:
        weights, rows = ctx.saved_tensors
        error = errors[0].transpose(0, 1).contiguous()
        to_rows = torch.empty_like(rows) if ctx.needs_input_grad[1] else None
        if len(rows) > 1:
            to_weights = torch.empty_like(weights)
            for own, (first, last) in zip(error, spans(ctx.lengths), strict=True):
                to_weights[..., first:last] = own @ rows[:, first:last].transpose(1, 2)
                if to_rows is not None:
                    to_rows[:, first:last] = weights[..., first:last].transpose(1, 2) @ own
            return to_weights, to_rows, None
        flat, lengths = error.flatten(1, 2), list(ctx.lengths)
        found = frames_times_vectors(flat, rows[0], lengths)
        if to_rows is not None:
            used = weights.flatten(0, 1).split(lengths, dim=1)
            for own, weight, out in zip(flat, used, to_rows[0].split(lengths), strict=True):
                torch.mm(weight.T, own, out=out)
        return found.view(weights.shape), to_rows, None


def layer_norm(rows: Float[Tensor, "layers rows dim"]) -> Float[Tensor, "layers rows dim"]:
    """Return rows with mean 0 and standard deviation 1, each by itself."""
    return functional.layer_norm(rows, rows.shape[-1:])
