"""Shards mapped into memory: their rows are read like an array, at the speed of the page cache."""

import mmap
import os
import resource
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tokser.store.backend import RawShard

__all__ = ["MappedShard", "MappedShards", "map_shard"]


@dataclass(frozen=True, slots=True)
class MappedShard:
    """Rows of a shard, and the file they lie in."""

    rows: NDArray[Any]
    path: str
    num_bytes: int

    def is_there(self) -> bool:
        """Tell whether the file has its size still: touching lost rows would kill the process."""
        try:
            return os.stat(self.path).st_size == self.num_bytes  # noqa: PTH116  in every read
        except OSError:
            return False


def map_shard(raw: RawShard, shape: tuple[int, ...], dtype: str) -> MappedShard:
    """Map a shard, read only.

    Args:
        raw: Where its rows lie.
        shape: [rows, dim].
        dtype: Of the numbers.
    """
    with raw.path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    count = int(np.prod(shape))
    rows = np.frombuffer(memory, dtype=dtype, count=count, offset=raw.offset).reshape(shape)
    return MappedShard(rows, str(raw.path), len(memory))


class MappedShards(dict[int, MappedShard]):
    """The maps of one layer, by shard.

    A map holds a file descriptor, so a process keeps a limited number over all layers and drops
    the oldest; arrays that were handed out stay valid.
    """

    _oldest: ClassVar["deque[tuple[MappedShards, int]]"] = deque()
    _lock: ClassVar = threading.Lock()

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
    return max(16, min(soft // 2, 8_192))
