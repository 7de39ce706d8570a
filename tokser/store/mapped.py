"""Shards mapped into memory: their rows are read like an array, at the speed of the page cache."""

import math
import mmap
import os
import resource
import threading
import weakref
from collections import deque
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tokser.store.backend import RawShard

__all__ = ["READS_AHEAD", "MappedShard", "MappedShards", "map_shard"]

READS_AHEAD = hasattr(os, "RWF_NOWAIT") and hasattr(os, "posix_fadvise")
"""Whether the system tells what of a file is in memory, and can be asked for the rest."""

_BYTE = [bytearray(1)]
"""What is read of rows to see whether they are in memory; nobody looks at it."""

_alive: "weakref.WeakSet[mmap.mmap]" = weakref.WeakSet()
"""Maps that are kept, or that arrays which were handed out hold."""


class MappedShard:
    """Rows of a shard, and the file they lie in.

    Attributes:
        rows: [rows, dim], read only.
    """

    __slots__ = ("_descriptor", "_num_bytes", "_offset", "rows")

    def __init__(self, descriptor: int, num_bytes: int, offset: int, rows: NDArray[Any]) -> None:
        self._descriptor, self._num_bytes, self._offset = descriptor, num_bytes, offset
        self.rows = rows

    def __del__(self) -> None:
        os.close(self._descriptor)

    def is_there(self) -> bool:
        """Tell whether the file is the shard's still: neither removed, replaced nor cut short.

        Touching rows that were cut off would kill the process. Asked in every read, so through the
        open file, which takes a third of the time that its path would.
        """
        found = os.fstat(self._descriptor)
        return found.st_nlink > 0 and found.st_size == self._num_bytes

    def holds(self, row: int) -> bool:
        """Tell whether a row is in memory, as far as the file system says; no disk is asked.

        One byte of it is read: to request what is there takes a third of the time of a copy.
        """
        last = self._offset + (row + 1) * self.rows.strides[0] - 1
        try:
            os.preadv(self._descriptor, _BYTE, last, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def read_ahead(self, first: int, after: int) -> None:
        """Let the disk bring some rows while others are read, unless they are in memory.

        The system alone reads around each page that is touched: of a store larger than memory,
        megabytes for every utterance, one after the other.
        """
        if not self.holds(after - 1):
            row_bytes = self.rows.strides[0]
            start, size = self._offset + first * row_bytes, (after - first) * row_bytes
            os.posix_fadvise(self._descriptor, start, size, os.POSIX_FADV_WILLNEED)


def map_shard(raw: RawShard, shape: tuple[int, ...], dtype: str) -> MappedShard:
    """Map a shard, read only.

    Args:
        raw: Where its rows lie.
        shape: [rows, dim].
        dtype: Of the numbers.
    """
    descriptor = os.open(raw.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        memory = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        count = math.prod(shape)
        rows = np.frombuffer(memory, dtype=dtype, count=count, offset=raw.offset).reshape(shape)
        _alive.add(memory)
        if READS_AHEAD:  # of this descriptor's reads, which are of one byte; the map has its own
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        return MappedShard(descriptor, len(memory), raw.offset, rows)
    except BaseException:
        os.close(descriptor)
        raise


class MappedShards(dict[int, MappedShard]):
    """The maps of one layer, by shard.

    A map holds two file descriptors, so a process keeps a limited number over all layers and drops
    the oldest; arrays that were handed out stay valid, and each of their shards holds one.
    """

    _oldest: ClassVar["deque[tuple[MappedShards, int]]"] = deque()
    _lock: ClassVar = threading.Lock()

    @staticmethod
    def have_room() -> bool:
        """Tell whether one more map leaves file descriptors for everything else."""
        return len(_alive) < 2 * _most_maps()

    def keep(self, shard: int, mapped: MappedShard) -> None:
        """Add a map."""
        with MappedShards._lock:
            self[shard] = mapped
            MappedShards._oldest.append((self, shard))
            while len(MappedShards._oldest) > _most_maps():
                owner, oldest = MappedShards._oldest.popleft()
                owner.pop(oldest, None)


def _most_maps() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, min(soft // 4, 8_192))
