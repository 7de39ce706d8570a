"""Batches read ahead by a thread of their own, from any place of an epoch on."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from tokser.device import keep_to_one_thread

__all__ = ["Prefetch"]

AHEAD = 2
"""Batches that are read while one is trained on; so many are in memory besides."""

Item = TypeVar("Item")


class Prefetch(Generic[Item]):
    """The batches of an epoch, as a data loader of Lightning's.

    Its state, the epoch and the batches of it that were handed out, goes into Lightning's
    checkpoints; a stream that is given it goes on with the next batch.

    Args:
        plan: Utterances of every batch of an epoch, which is counted from 0.
        read: Reads the utterances of a batch; called on another thread.
        epoch: Tells the epoch that is to be read next.
    """

    def __init__(
        self,
        plan: Callable[[int], Sequence[Sequence[str]]],
        read: Callable[[Sequence[str]], Item],
        epoch: Callable[[], int] = lambda: 0,
    ) -> None:
        self._plan, self._read, self._epoch = plan, read, epoch
        self._planned: tuple[int, Sequence[Sequence[str]]] | None = None
        self._at = (0, 0)
        self._resume: tuple[int, int] | None = None

    def __len__(self) -> int:
        """Batches of the epoch."""
        return len(self._batches(self._epoch()))

    def __iter__(self) -> Iterator[Item]:
        epoch, done = self._epoch(), 0
        if self._resume is not None:
            epoch, done = self._resume
            self._resume = None
        batches = self._batches(epoch)
        # What was done of an epoch that is over: the next one begins.
        if done >= len(batches) or epoch != self._epoch():
            epoch, done = self._epoch(), 0
            batches = self._batches(epoch)
        todo = iter(batches[done:])
        pool = ThreadPoolExecutor(1, "tokser-read", initializer=keep_to_one_thread)
        try:
            ahead: deque[Future[Item]] = deque()
            for _ in range(AHEAD + 1):
                self._submit(pool, todo, ahead)
            while ahead:
                item = ahead.popleft().result()
                self._submit(pool, todo, ahead)
                done += 1
                self._at = (epoch, done)
                yield item
        finally:
            pool.shutdown(cancel_futures=True)

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream is."""
        epoch, done = self._at
        return {"epoch": epoch, "batches_done": done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._resume = self._at = (int(state["epoch"]), int(state["batches_done"]))

    def _submit(
        self,
        pool: ThreadPoolExecutor,
        todo: Iterator[Sequence[str]],
        ahead: "deque[Future[Item]]",
    ) -> None:
        ids = next(todo, None)
        if ids is not None:
            ahead.append(pool.submit(self._read, ids))

    def _batches(self, epoch: int) -> Sequence[Sequence[str]]:
        if self._planned is None or self._planned[0] != epoch:
            self._planned = (epoch, self._plan(epoch))
        return self._planned[1]
