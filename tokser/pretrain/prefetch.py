"""Prefetch: a thread reads the next batches while one is trained on, from any batch of an epoch.

One reader thread takes the batches of the plan in order and keeps `AHEAD` of them ready; the
training loop takes them in the same order. The position that is saved, (epoch, batches done),
counts what the loop was given, not what the thread has read: a run that resumes reads the batches
that were prefetched and never trained on again. When the loop stops early (an error, Ctrl-C, the
end of a validation), the generator's `finally` cancels what is not begun and waits for the batch
that is being read.

What must never happen: that a batch is skipped or repeated (a resumed run would end in other
weights), that an error of the reader is lost (`result()` raises it in the loop), that the thread
outlives its iterator (it would read from a store that was closed), or that it uses more than one
core (it would take them from the matrix products).
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from tokser.device import keep_to_one_thread

__all__ = ["Prefetch"]

AHEAD = 2
"""Batches that are ready or being read while one is trained on."""

Item = TypeVar("Item")


class Prefetch(Generic[Item]):
    """The batches of an epoch, as a data loader whose state Lightning keeps in checkpoints.

    Args:
        plan: Utterances of every batch of an epoch, which is counted from 0.
        read: Reads the utterances of a batch; called on another thread.
        epoch: Returns the epoch that is to be read next.
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
        # The saved position is at the end of an epoch, or of another one: begin the present one.
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
        """Return the epoch, and how many of its batches were trained on."""
        epoch, done = self._at
        return {"epoch": epoch, "batches_done": done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the next batch."""
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
