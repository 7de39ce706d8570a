"""Freed memory: when it goes back to the system."""

import ctypes
import os
import sys
from typing import Any

__all__ = ["give_back_freed", "keep_freed_on_workers"]

_DASKS_THRESHOLD = ("MALLOC_TRIM_THRESHOLD_", "65536")
"""What Dask's nanny starts each worker with."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20


def give_back_freed() -> None:
    """Hand what the C library keeps of freed memory back to the system, where it can (glibc).

    Forward passes of all lengths leave it holes that no later one fits.
    """
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


def keep_freed_on_workers() -> None:
    """Let a Dask worker keep freed memory for the next pass, as any other process does (glibc).

    Dask has its workers give every large block back at once, so that each pass fetches its pages
    anew: a sixth of the time of an encoder. The thresholds are those at which the C library's own
    adjustment ends. A worker that was started with another setting is left alone.
    """
    name, value = _DASKS_THRESHOLD
    set_option = _c_function("mallopt")
    if os.environ.get(name) != value or set_option is None:
        return
    set_option(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    set_option(_M_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)


def _c_function(name: str) -> Any:
    """Return a function of the C library; None where it has none such (musl, other systems)."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)
