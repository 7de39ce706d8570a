"""Cross-attention of text tokens over speech frames: the plain form, and a faster one.

With frozen speech, scores and outputs reassociate, so frames are never projected:

    softmax(s Q K^T) V = softmax((s T W_q W_k^T) S^T) S W_v

Everything of a batch lies one utterance after the other, without padding.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from tokser.pretrain.ragged import as_padded, as_ragged, row_mask

__all__ = [
    "attend",
    "attention_weights",
    "is_compiled",
    "plain_attention",
    "product",
    "reassociated_attention",
    "uniform_weight",
]

_ROWS = 64
"""What rows of compiled products are rounded up to."""

Queries = Float[Tensor, "tokens text_dim"]
Speech = Float[Tensor, "frames speech_dim"]
Lengths = Int64[Tensor, " batch"]
Weights = Float[Tensor, "batch heads longest_tokens longest_frames"]


def attention_weights(
    q: Float[Tensor, "tokens dim"],
    k: Float[Tensor, "frames dim"],
    num_tokens: Lengths,
    num_frames: Lengths,
    *,
    scale: float = 1.0,
    num_heads: int = 1,
) -> Weights:
    """softmax(s Q K^T) of each utterance and head; rows sum to 1 over frames.

    Args:
        q: Q, one utterance after the other; heads lie side by side in `dim`.
        k: K, likewise.
        num_tokens: Rows of Q of each utterance.
        num_frames: Rows of K of each utterance.
        scale: s.
        num_heads: Heads.

    Returns:
        Padded; rows of padding mean nothing, and frames of padding get no weight.
    """
    scores = _heads(as_padded(q, num_tokens) * scale, num_heads) @ (
        _heads(as_padded(k, num_frames), num_heads).mT
    )
    mask = row_mask(num_frames, k.device)
    return scores.masked_fill(~mask[:, None, None, :], float("-inf")).softmax(dim=-1)


def plain_attention(
    q: Float[Tensor, "tokens dim"],
    k: Float[Tensor, "frames dim"],
    v: Float[Tensor, "frames dim"],
    num_tokens: Lengths,
    num_frames: Lengths,
    *,
    scale: float = 1.0,
    num_heads: int = 1,
) -> Float[Tensor, "tokens dim"]:
    """softmax(s Q K^T) V of each utterance and head; the reference form.

    Arguments as `attention_weights`; heads of V lie side by side too.

    Source: paper, section 3.3.
    """
    weights = attention_weights(q, k, num_tokens, num_frames, scale=scale, num_heads=num_heads)
    context = weights @ _heads(as_padded(v, num_frames), num_heads)
    return as_ragged(context.transpose(1, 2).flatten(2), num_tokens)


def reassociated_attention(
    q: Float[Tensor, "tokens dim"],
    speech: Speech,
    w_k: Float[Tensor, "speech_dim dim"],
    w_v: Float[Tensor, "speech_dim dim"],
    num_tokens: Lengths,
    num_frames: Lengths,
    *,
    scale: float = 1.0,
    num_heads: int = 1,
) -> Float[Tensor, "tokens dim"]:
    """What `plain_attention` gives for K = S W_k and V = S W_v, without projecting a frame.

    Exact, for any number of heads: the heads become additional queries of the same speech.
    Worth it while heads times tokens are fewer than frames.

    Args:
        q: Q.
        speech: S, one utterance after the other.
        w_k: W_k.
        w_v: W_v.
        num_tokens: Tokens of each utterance.
        num_frames: Frames of each utterance.
        scale: s.
        num_heads: Heads.
    """
    if num_heads == 1:
        context = attend(product(q * scale, w_k.mT), speech, num_tokens, num_frames)
        return product(context, w_v)
    heads_k, heads_v = (w.unflatten(1, (num_heads, -1)) for w in (w_k, w_v))
    queries = torch.einsum("thd,shd->ths", (q * scale).unflatten(1, (num_heads, -1)), heads_k)
    context = attend(queries.flatten(0, 1), speech, num_tokens * num_heads, num_frames)
    context = context.unflatten(0, (-1, num_heads))
    return torch.einsum("ths,shd->thd", context, heads_v).flatten(1)


def product(rows: Float[Tensor, "rows width"], weight: Float[Tensor, "width dim"]) -> Tensor:
    """Return `rows @ weight`, quickly for any number of rows.

    oneDNN, which multiplies bfloat16 on a CPU, compiles code for every new size of product, which
    takes longer than the product: so rows are rounded up to sizes that recur.
    """
    if not is_compiled(rows):
        return rows @ weight
    return (functional.pad(rows, (0, 0, 0, -len(rows) % _ROWS)) @ weight)[: len(rows)]


def is_compiled(operand: Tensor) -> bool:
    """Tell whether products of a tensor are compiled for their size, here and now."""
    kind = operand.device.type
    return kind == "cpu" and (
        torch.is_autocast_enabled(kind) or operand.dtype not in (torch.float32, torch.float64)
    )


def attend(
    queries: Float[Tensor, "tokens speech_dim"],
    speech: Speech,
    num_tokens: Lengths,
    num_frames: Lengths,
) -> Float[Tensor, "tokens speech_dim"]:
    """softmax(Q S^T) S of each utterance.

    Args:
        queries: Q W_k^T, projected into the frames' own space.
        speech: S, of any type of float; what is computed has the type of `queries`, or that of
            autocast.
        num_tokens: Rows of Q of each utterance.
        num_frames: Rows of S of each utterance.
    """
    kind = queries.device.type
    autocast = torch.is_autocast_enabled(kind)
    dtype = torch.get_autocast_dtype(kind) if autocast else queries.dtype
    with torch.autocast(kind, enabled=False):
        if kind == "cpu":
            lengths = num_tokens.tolist(), num_frames.tolist()
            context: Tensor = _Attend.apply(queries.to(dtype), speech, *lengths)
            return context
        rows = speech.to(dtype)
        return plain_attention(queries.to(dtype), rows, rows, num_tokens, num_frames)


class _Attend(torch.autograd.Function):
    """One utterance at a time, so that its frames stay in the processor's cache."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, speech: Tensor, tokens: Sequence[int], frames: Sequence[int]
    ) -> Tensor:
        places = _Places(queries, speech, tokens, frames)
        padded_queries = places.lengthened(queries)
        context = torch.empty_like(padded_queries)
        weights = []
        for number, (token, frame) in enumerate(places):
            s = places.cast(speech, number)
            scores = padded_queries[token] @ s.mT
            scores[:, frame.stop - frame.start :] = -math.inf
            weights.append(scores.softmax(dim=-1))
            torch.mm(weights[-1], s, out=context[token])
        ctx.save_for_backward(queries, speech, *weights)
        ctx.lengths = tokens, frames
        return context[: len(queries)]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        queries, speech, *weights = ctx.saved_tensors
        places = _Places(queries, speech, *ctx.lengths)
        grad_speech = torch.empty_like(speech) if ctx.needs_input_grad[1] else None
        grad_context, padded_queries = places.lengthened(grads[0]), places.lengthened(queries)
        grad_queries = torch.empty_like(padded_queries)
        for number, ((token, frame), w) in enumerate(zip(places, weights, strict=True)):
            s, grad = places.cast(speech, number), grad_context[token]
            # The softmax's gradient; torch's own kernel reads each row once.
            grad_scores = torch._softmax_backward_data(grad @ s.mT, w, 1, w.dtype)
            torch.mm(grad_scores, s, out=grad_queries[token])
            if grad_speech is not None:
                own = slice(0, ctx.lengths[0][number])
                found = w[own].mT @ grad[own] + grad_scores[own].mT @ padded_queries[token][own]
                grad_speech[frame] = found[: frame.stop - frame.start]
        return grad_queries[: len(queries)], grad_speech, None, None


class _Places:
    """Where each utterance's rows are, lengthened to sizes that recur.

    Tokens and frames are rounded up where products are compiled, see `product`. What a lengthened
    span of tokens writes beyond its own is written again by the utterance after it.
    """

    def __init__(
        self, queries: Tensor, speech: Tensor, tokens: Sequence[int], frames: Sequence[int]
    ) -> None:
        self._tokens, self._frames = (16, 64) if is_compiled(queries) else (1, 1)
        self._spans = [*zip(_spans(tokens, self._tokens), _spans(frames, 1), strict=True)]
        most = max(_up(count, self._frames) for count in frames)
        self._room = queries.new_empty(most, speech.shape[1])

    def __iter__(self) -> Iterator[tuple[slice, slice]]:
        """Yield the span of tokens, lengthened, and that of frames."""
        return iter(self._spans)

    def lengthened(self, rows: Tensor) -> Tensor:
        """Return rows that the last span fits into too."""
        return rows if self._tokens == 1 else functional.pad(rows, (0, 0, 0, self._tokens))

    def cast(self, speech: Tensor, number: int) -> Tensor:
        """Return an utterance's frames in the type of the products, zeros after the last."""
        rows = speech[self._spans[number][1]]
        if rows.dtype == self._room.dtype and self._frames == 1:
            return rows
        if (rows.dtype, self._room.dtype) == (torch.float16, torch.bfloat16):
            rows = rows.float()  # torch has no vectors for the direct way: a third of the time
        cast = self._room[: _up(len(rows), self._frames)]
        cast[: len(rows)] = rows
        cast[len(rows) :] = 0
        return cast


def _spans(lengths: Sequence[int], multiple: int) -> list[slice]:
    starts = itertools.accumulate(lengths, initial=0)
    return [
        slice(start, start + _up(length, multiple))
        for start, length in zip(starts, lengths, strict=False)
    ]


def _up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


def _heads(
    rows: Float[Tensor, "batch longest dim"], num_heads: int
) -> Float[Tensor, "batch heads longest head_dim"]:
    heads: Tensor = rows.unflatten(2, (num_heads, -1)).transpose(1, 2)
    return heads


def uniform_weight(fan_in: int, fan_out: int) -> Float[Tensor, "fan_in fan_out"]:
    """Draw a matrix within 1/sqrt(fan-in), as `torch.nn.Linear` does."""
    bound = 1 / math.sqrt(fan_in)
    return torch.empty(fan_in, fan_out).uniform_(-bound, bound)
