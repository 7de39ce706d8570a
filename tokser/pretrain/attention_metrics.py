"""Attention metrics: how concentrated the attention is, and whether it follows the speech."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["entropy", "monotonicity"]

Maps = Float[Tensor, "batch longest_tokens longest_frames"]
Lengths = Int64[Tensor, " batch"]


def entropy(maps: Maps, num_tokens: Lengths, num_frames: Lengths) -> Float[Tensor, " tokens"]:
    """H(w) / log N of every token: 1 if it attends to all N frames alike, 0 if to one.

    Tokens of an utterance of a single frame have no choice, and count as 1.

    Args:
        maps: w, the attention weights of each token; rows sum to 1.
        num_tokens: Tokens of each utterance.
        num_frames: Frames N of each utterance.
    """
    found = []
    for weights, tokens, frames in _each(maps, num_tokens, num_frames):
        bits = torch.special.entr(weights).sum(dim=1)
        found.append(bits / math.log(frames) if frames > 1 else torch.ones_like(bits[:tokens]))
    return torch.cat(found)


def monotonicity(
    maps: Maps, num_tokens: Lengths, num_frames: Lengths
) -> Float[Tensor, " utterances"]:
    """Rank correlation (Spearman) of token index and attended time of every utterance.

    The attended time is the mean of the frames' times by weight. Attention that
    follows the speech has 1, attention without order has 0. Utterances of fewer than three tokens
    are left out.

    Args:
        maps: Attention weights of each token; rows sum to 1.
        num_tokens: Tokens of each utterance.
        num_frames: Frames of each utterance.
    """
    found = []
    for weights, tokens, frames in _each(maps, num_tokens, num_frames):
        if tokens < 3:
            continue
        times = weights @ torch.arange(frames, dtype=weights.dtype, device=weights.device)
        found.append(_correlation(_ranks(times), torch.arange(tokens, device=times.device)))
    return torch.stack(found) if found else maps.new_zeros(0)


def _each(maps: Maps, num_tokens: Lengths, num_frames: Lengths):  # type: ignore[no-untyped-def]  # a generator of triples
    for weights, tokens, frames in zip(maps, num_tokens.tolist(), num_frames.tolist(), strict=True):
        yield weights[:tokens, :frames].float(), tokens, frames


def _ranks(values: Float[Tensor, " tokens"]) -> Float[Tensor, " tokens"]:
    """Ranks from 0 on; equal values share the mean of theirs."""
    below = (values[:, None] > values).sum(dim=1)
    equal = (values[:, None] == values).sum(dim=1)
    return below + (equal - 1) / 2


def _correlation(a: Float[Tensor, " tokens"], b: Int64[Tensor, " tokens"]) -> Float[Tensor, ""]:
    a, centred = a - a.mean(), b - b.float().mean()
    spread = a.norm() * centred.norm()
    return (a @ centred) / spread if spread > 0 else a.new_zeros(())
