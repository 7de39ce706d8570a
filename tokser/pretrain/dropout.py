"""Dropout whose draws do not depend on which thread computes first."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

__all__ = ["ChunkDropout", "draws_from"]

_generator: ContextVar[torch.Generator | None] = ContextVar("tokser_dropout", default=None)


@contextmanager
def draws_from(seed: int | None) -> Iterator[None]:
    """Let `ChunkDropout` draw from a generator of the calling thread's own.

    Args:
        seed: Of the generator; None: torch's, which all threads share.
    """
    if seed is None:
        yield
        return
    before = _generator.get()
    _generator.set(torch.Generator().manual_seed(seed))
    try:
        yield
    finally:
        _generator.set(before)


class ChunkDropout(nn.Dropout):
    """What `torch.nn.Dropout` is, with draws of the calling thread's own, see `draws_from`."""

    def forward(self, rows: Tensor) -> Tensor:
        """Return the rows, some numbers set to zero, in training."""
        generator = _generator.get()
        if generator is None or not self.training or self.p == 0:
            dropped: Tensor = super().forward(rows)
            return dropped
        kept = torch.empty_like(rows).bernoulli_(1 - self.p, generator=generator)
        return rows * kept.div_(1 - self.p)
