"""Mean and standard deviation over the frames of each utterance, weighted by softmax of scores."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tokser.experiments.heads.frames.grouped_products import (
    frames_times_vectors,
    weights_times_frames,
)
from tokser.experiments.heads.frames.ragged import segment_softmax, weighted_sums

__all__ = ["LEAST_VARIANCE", "attentive_statistics"]

LEAST_VARIANCE = 1e-5
"""Below it a variance counts as this, and passes no gradient: an utterance of one frame has 0."""


def attentive_statistics(
    scores: Float[Tensor, "models heads rows"],
    rows: Float[Tensor, "shared rows dim"],
    lengths: Sequence[int],
) -> Float[Tensor, "models batch width"]:
    """Return mu = sum_t a_t x_t and sigma = sqrt(sum_t a_t x_t^2 - mu^2), a = softmax of scores.

    The means of all attention heads come first, then their standard deviations.

    Args:
        scores: One for each frame, of each model and attention head.
        rows: x, of each model, or [1, rows, dim] for all of them.
        lengths: Frames of each utterance.

    Source: Okabe, Koshinaka, Shinoda 2018, equations 3 to 5.
    """
    if len(rows) == 1 and not rows.requires_grad:
        shared: Tensor = _OfSharedFrames.apply(scores, rows[0], tuple(lengths))
        return shared
    weights = segment_softmax(scores, lengths)
    mean = weighted_sums(weights, rows, lengths)
    square = weighted_sums(weights, rows.square(), lengths)
    deviation = (square - mean.square()).clamp(min=LEAST_VARIANCE).sqrt()
    return torch.cat([mean.flatten(2), deviation.flatten(2)], dim=-1)


class _OfSharedFrames(torch.autograd.Function):
    """The same of frames that all models share, and that get no gradient, in fewer passes.

    With m = sum_t a_t x_t, q = sum_t a_t x_t^2 and sigma = sqrt(q - m^2), gradients dm' = dm -
    m dsigma / sigma and dq = dsigma / (2 sigma) reach m and q. Then da_t = dm' x_t + dq x_t^2, and
    a softmax gives de_t = a_t (da_t - sum_s a_s da_s), in which the sum is dm' m + dq q.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, rows: Tensor, lengths: tuple[int, ...]) -> Tensor:
        models, heads, _ = scores.shape
        weights = segment_softmax(scores, lengths).flatten(0, 1)
        squares = rows.square()
        mean = weights_times_frames(weights, rows, lengths)
        square = weights_times_frames(weights, squares, lengths)
        deviation = torch.addcmul(square, mean, mean, value=-1).clamp_(min=LEAST_VARIANCE).sqrt_()
        ctx.save_for_backward(weights, rows, squares, mean, square, deviation)
        ctx.lengths, ctx.shape = lengths, scores.shape
        found = rows.new_empty(models, len(lengths), 2, heads, rows.shape[1])
        for place, values in enumerate((mean, deviation)):
            found[:, :, place] = values.view(len(lengths), models, heads, -1).transpose(0, 1)
        return found.flatten(2)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, None, None]:
        weights, rows, squares, mean, square, deviation = ctx.saved_tensors
        models, heads, _ = ctx.shape
        error = errors[0].view(models, len(mean), 2, heads, -1).transpose(0, 1)
        to_mean, to_deviation = (error[:, :, place].reshape(mean.shape) for place in (0, 1))
        passes = torch.addcmul(square, mean, mean, value=-1) >= LEAST_VARIANCE
        to_square = (0.5 * to_deviation / deviation).mul_(passes)
        to_mean = torch.addcmul(to_mean, mean, to_square, value=-2)
        inner = torch.addcmul(to_mean * mean, to_square, square).sum(dim=-1)
        to_weights = frames_times_vectors(to_mean, rows, ctx.lengths)
        to_weights += frames_times_vectors(to_square, squares, ctx.lengths)
        counts = torch.tensor(ctx.lengths, device=rows.device)
        to_weights -= inner.T.repeat_interleave(counts, dim=1)
        return to_weights.mul_(weights).view(ctx.shape), None, None
