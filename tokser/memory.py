"""Memory that was freed, back to the system."""

import ctypes
import sys

__all__ = ["give_back_freed"]


def give_back_freed() -> None:
    """Hand what the C library keeps of freed memory back to the system, where it can (glibc).

    Forward passes of all lengths leave it holes that no later one fits.
    """
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(ctypes.c_size_t(0))
