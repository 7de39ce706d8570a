"""The claim protocol: which process computes which shard.

Any number of processes, on machines that share a disk, work through the same shards without a
coordinator. Each takes the next shard whose lock it gets without waiting, then reads in the journal
what the shard lacks, and only then computes. A shard that is locked goes to the end of the queue:
by the time it comes round again, its holder has committed it, and it lacks nothing, or its holder
has died, the system has freed the lock, and it is computed here. So every shard is computed once,
and no death of a process stops the others.

What must never happen: that the journal is read before the lock is held (two processes would
compute the same shard), that a claim is released before its shard is committed (likewise), or that
a claim outlives its block (other processes would wait for ever). Locks save work; what is
written is right without them, for a commit replaces a shard and its entry as a whole.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import NamedTuple

__all__ = ["Claim", "Claims"]

POLL_S = 0.5
"""How often a process tries again to take shards that others are computing."""


class Claim(NamedTuple):
    """A shard that is this process's to compute, until it is released.

    Attributes:
        shard: Its number.
        features: What it lacks; empty if another process has committed it in the meantime.
    """

    shard: int
    features: list[str]


class Claims:
    """Shards to be computed, taken one after the other; several may be held at once.

    Leaving the block releases all.

    Args:
        shards: Numbers of the shards.
        lock: Tries to take a shard; yields whether it is ours while its block lasts.
        lacking: Names the features that a shard lacks; called once it is ours.
    """

    def __init__(
        self,
        shards: Iterable[int],
        lock: Callable[[int], AbstractContextManager[bool]],
        lacking: Callable[[int], list[str]],
    ) -> None:
        self._waiting = deque(shards)
        self._lock, self._lacking = lock, lacking
        self._held: dict[int, ExitStack] = {}

    @property
    def num_waiting(self) -> int:
        """Shards that were not taken yet."""
        return len(self._waiting)

    @property
    def next_waiting(self) -> int | None:
        """The shard that is tried next; None: all were taken."""
        return self._waiting[0] if self._waiting else None

    def take(self) -> Claim | None:
        """Take the next shard; None if others are computing all that are left."""
        for _ in range(len(self._waiting)):
            shard = self._waiting.popleft()
            with ExitStack() as stack:
                if not stack.enter_context(self._lock(shard)):
                    self._waiting.append(shard)
                    continue
                claim = Claim(shard, self._lacking(shard))
                self._held[shard] = stack.pop_all()
                return claim
        return None

    def release(self, shard: int) -> None:
        """Release a shard that was taken; any thread may."""
        self._held.pop(shard).close()

    def one_by_one(self) -> Iterator[Claim]:
        """Yield every shard once, and release it before the next; waits for other processes."""
        with self:
            while self._waiting:
                claim = self.take()
                if claim is None:
                    time.sleep(POLL_S)
                    continue
                yield claim
                self.release(claim.shard)

    def __enter__(self) -> "Claims":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for shard in list(self._held):
            with contextlib.suppress(KeyError):  # a thread may have released it just now
                self.release(shard)
