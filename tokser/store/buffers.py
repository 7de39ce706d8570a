"""Memory that is reused: the system provides new memory page by page, slower than a copy."""

import math
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffers"]


class Buffers:
    """Arrays whose memory is reused as soon as nothing refers to it any more.

    `layer.ragged(ids, allocate=buffers.take)` and `layer.batch` then copy into memory that is
    there already. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._free: list[NDArray[np.uint8]] = []
        self._lock = threading.RLock()  # a collection may give back while one is taken

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array of any content.

        Its memory is free again when the array is gone, and every view and tensor made of it.

        Args:
            shape: Of the array.
            dtype: Of the numbers.
        """
        num_bytes = math.prod(shape) * dtype.itemsize
        with self._lock:
            large = [place for place, one in enumerate(self._free) if len(one) >= num_bytes]
            if large:
                buffer = self._free.pop(min(large, key=lambda place: len(self._free[place])))
            else:
                if self._free:  # too small: a larger one takes its place
                    self._free.pop(0)
                buffer = self._new(num_bytes)
        # Views of an array, and tensors made of it, keep the first array over a memoryview alive.
        flat = np.frombuffer(buffer.data[:num_bytes], dtype=dtype)
        weakref.finalize(flat, self._give_back, buffer).atexit = False
        return flat.reshape(shape)

    def _new(self, num_bytes: int) -> NDArray[np.uint8]:
        return np.empty(num_bytes, dtype=np.uint8)

    def _give_back(self, buffer: NDArray[np.uint8]) -> None:
        with self._lock:
            self._free.append(buffer)
