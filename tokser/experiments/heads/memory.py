"""An allocation that failed becomes an error that names the options which need less."""

import contextlib
from collections.abc import Iterator

import torch

from tokser.errors import RunError

__all__ = ["names_what_needs_less"]

_OF_CPU = ("not enough memory", "can't allocate memory", "DefaultCPUAllocator")
"""What torch's allocator says in a plain RuntimeError."""


@contextlib.contextmanager
def names_what_needs_less(where: str, *, expected: str, remedy: str) -> Iterator[None]:
    """Turn an allocation that failed into an error that names the options which need less.

    Args:
        where: What was computed.
        expected: What memory was needed for.
        remedy: The options.

    Raises:
        RunError: Memory did not suffice.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        is_known = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if isinstance(error, RunError) or not (is_known or any(t in str(error) for t in _OF_CPU)):
            raise
        got = str(error).partition("\n")[0] or "too little"
        raise RunError(where, expected=expected, got=got, remedy=remedy) from error
