"""Batches in chunks of utterances, which threads compute on their own, forward and backward.

The chunks, and the order in which their gradients are added up, follow from the batch alone: the
number of threads changes no bit.
"""

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tokser.pretrain.aligner import Aligner, AlignerInput
from tokser.pretrain.dropout import ChunkDropout, draws_from
from tokser.thread_team import has_team, map_in_team

__all__ = ["align_in_chunks", "in_chunks", "spans_of"]

MOST_CHUNKS = 16
"""A chunk has a gradient of every weight, so many small ones would cost more than they save."""


def align_in_chunks(aligner: Aligner, inputs: AlignerInput) -> Tensor:
    """Return what `aligner(inputs)` returns, by the team of threads if there is one."""
    return in_chunks(aligner, lambda part: (aligner(part),), inputs)[0]


def in_chunks(
    modules: nn.Module | Sequence[nn.Module],
    forward: Callable[[AlignerInput], tuple[Tensor, ...]],
    inputs: AlignerInput,
) -> tuple[Tensor, ...]:
    """Return what a function of a batch returns; a team of threads computes it chunk by chunk.

    Args:
        modules: Whose weights the function uses.
        forward: Returns tensors whose rows are those of the utterances, one after the other; what
            it returns for some utterances does not depend on the others.
        inputs: The batch.
    """
    if not has_team():
        return forward(inputs)
    parts = [part_of(inputs, *span) for span in spans_of(inputs)]
    together = nn.ModuleList([modules] if isinstance(modules, nn.Module) else modules)
    weights = [one for one in together.parameters() if one.requires_grad]
    if not (torch.is_grad_enabled() and weights):
        rows = map_in_team(forward, parts)
        return tuple(torch.cat(found) for found in zip(*rows, strict=True))
    seeds = torch.randint(2**62, (len(parts),)).tolist() if _draws(together) else None
    found: tuple[Tensor, ...] = _Chunks.apply(forward, parts, weights, seeds, *weights)
    return found


def spans_of(inputs: AlignerInput) -> list[tuple[int, int]]:
    """Cut a batch where its chunks have nearly as many frames; (first, after) of each."""
    ends = inputs.num_frames.cumsum(0)
    count = min(MOST_CHUNKS, len(ends))
    shares = torch.arange(1, count) * int(ends[-1]) / count
    cuts = [0, *(torch.searchsorted(ends, shares) + 1).tolist(), len(ends)]
    cuts = sorted({min(cut, len(ends)) for cut in cuts})
    return [*itertools.pairwise(cuts)]


def part_of(inputs: AlignerInput, first: int, after: int) -> AlignerInput:
    """Return some utterances of a batch, as views."""
    tokens, frames = (
        slice(int(counts[:first].sum()), int(counts[:after].sum()))
        for counts in (inputs.num_tokens, inputs.num_frames)
    )
    return AlignerInput(
        inputs.queries[tokens],
        inputs.num_tokens[first:after],
        inputs.speech[:, frames],
        inputs.num_frames[first:after],
    )


def _draws(modules: nn.Module) -> bool:
    dropouts = [one for one in modules.modules() if isinstance(one, ChunkDropout)]
    return any(one.p > 0 and one.training for one in dropouts)


class _Chunks(torch.autograd.Function):
    """Keeps a graph for each chunk, and goes back through each on whichever thread is free."""

    @staticmethod
    def forward(
        ctx: Any,
        forward: Callable[[AlignerInput], tuple[Tensor, ...]],
        parts: Sequence[AlignerInput],
        weights: Sequence[nn.Parameter],
        seeds: Sequence[int] | None,
        *_: Tensor,
    ) -> tuple[Tensor, ...]:
        def compute(number: int) -> tuple[Tensor, ...]:
            with torch.enable_grad(), draws_from(None if seeds is None else seeds[number]):
                return forward(parts[number])

        ctx.chunks, ctx.weights = map_in_team(compute, range(len(parts))), weights
        return tuple(
            torch.cat([rows.detach() for rows in found]) for found in zip(*ctx.chunks, strict=True)
        )

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        chunks, ctx.chunks = ctx.chunks, None
        counts = [[len(rows) for rows in found] for found in zip(*chunks, strict=True)]
        by_chunk = [
            *zip(*(g.split(sizes) for g, sizes in zip(grads, counts, strict=True)), strict=True)
        ]
        total = _InOrder(len(ctx.weights))

        def compute(number: int) -> None:
            found, chunks[number] = chunks[number], None
            of_weights = torch.autograd.grad(
                found, ctx.weights, by_chunk[number], allow_unused=True
            )
            total.add(number, of_weights)

        map_in_team(compute, range(len(chunks)))
        return None, None, None, None, *total.sums


class _InOrder:
    """Adds up gradients of chunks in the order of their numbers, whichever comes first."""

    def __init__(self, num_weights: int) -> None:
        self.sums: list[Tensor | None] = [None] * num_weights
        self._next, self._is_adding = 0, False
        self._waiting: dict[int, Sequence[Tensor | None]] = {}
        self._lock = threading.Lock()

    def add(self, number: int, gradients: Sequence[Tensor | None]) -> None:
        """Add a chunk's gradients, and those that waited for them, unless another thread adds."""
        with self._lock:
            self._waiting[number] = gradients
            if self._is_adding:
                return
            self._is_adding = True
        while True:
            with self._lock:
                found = self._waiting.pop(self._next, None)
                if found is None:
                    self._is_adding = False
                    return
            self.sums = [_sum(*pair) for pair in zip(self.sums, found, strict=True)]
            self._next += 1


def _sum(total: Tensor | None, more: Tensor | None) -> Tensor | None:
    if total is None or more is None:
        return more if total is None else total
    return total.add_(more)
