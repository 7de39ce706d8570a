"""Freed memory: when it goes back to the system."""

import ctypes
import os
import sys
from typing import Any

__all__ = ["FEW_KERNELS", "keep_freed_on_workers", "release_freed_memory"]

FEW_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16", "LRU_CACHE_CAPACITY": "16"}
"""Environment of processes of tokser's own: oneDNN and torch keep the kernels and buffers of 16
sizes of input, more than one batch meets. By default they keep those of 1,024 sizes, twice:
hundreds of MB once utterances of all lengths have been encoded."""

_DASKS_THRESHOLD = ("MALLOC_TRIM_THRESHOLD_", "65536")
"""What Dask's nanny starts each worker with."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20


def release_freed_memory() -> None:
    """Return what the C library keeps of freed memory to the system, where it can (glibc).

    Batches of all lengths leave it holes that no later one fits. No setting of the process changes.
    """
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


def keep_freed_on_workers() -> None:
    """Let a Dask worker keep freed memory for the next batch, as any other process does (glibc).

    Dask has its workers return every large block at once, so that each batch fetches its pages
    again: a sixth of the time of an encoder. The thresholds are those at which the C library's own
    adjustment ends. A worker that was started with another setting is left alone. A worker is a
    process of tokser's own, so it keeps few kernels, too.
    """
    for variable, kept in FEW_KERNELS.items():
        os.environ.setdefault(variable, kept)
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
