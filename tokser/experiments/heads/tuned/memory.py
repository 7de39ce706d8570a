"""What to do where memory does not suffice for tuning."""

import contextlib
from collections.abc import Iterator

import torch

from tokser.errors import RunError

__all__ = ["names_what_saves_memory"]

_OF_CPU = ("not enough memory", "can't allocate memory", "DefaultCPUAllocator")
"""What torch's allocator says in a plain RuntimeError."""


@contextlib.contextmanager
def names_what_saves_memory() -> Iterator[None]:
    """Turn an allocation that failed into an error that names the options which need less.

    Raises:
        RunError: Memory did not suffice.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        is_known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if isinstance(error, RunError) or not (is_known or any(t in str(error) for t in _OF_CPU)):
            raise
        raise RunError(
            "tokser tune",
            expected="memory for a batch and the activations of its blocks",
            got=str(error).partition("\n")[0] or "too little",
            remedy="Lower --batch-size, add --gradient-checkpointing, start from a higher layer "
            "(--from), or train less with --lora.",
        ) from error
