"""Tasks for the workers of a Dask cluster, each given out when a worker is free for it.

How it works: left to itself, Dask binds tasks to workers before these are free: the first two a
thread at once, further ones by the scheduler's settings, and of a worker with eight threads it
takes eight tasks, even if the first uses all of them. What waits behind a long task then runs last,
while others idle. So items stay here; each is sent to the worker that has most room, in the order
in which they came: longest first gives what list scheduling promises, on any scheduler.

A task and its item travel as one string of bytes, so the scheduler passes them on and needs to
import nothing of either.
"""

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tokser.errors import RunError, TokserError
from tokser.progress import warn

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["TaskRun"]

Item = TypeVar("Item")
Result = TypeVar("Result")

LOOK_S = 1.0
"""How often workers that joined or left are looked for."""


class TaskRun(Generic[Item, Result]):
    """A task on many items: what is under way, and how often it was tried again.

    Args:
        client: Client of the cluster.
        task: What is called, on a worker.
        items: What it is called with, in this order.
        retries: How often an item is tried again after an error that is no `TokserError`.
        whole_workers: Give a worker one item at a time, whatever its threads.
    """

    def __init__(
        self,
        client: "Client",
        task: Callable[[Item], Result],
        items: Iterator[Item],
        *,
        retries: int,
        whole_workers: bool,
    ) -> None:
        from distributed import as_completed

        self._client, self._task, self._items, self._retries = client, task, items, retries
        self._whole_workers = whole_workers
        self._ahead: deque[Item] = deque()
        self._done: Any = as_completed(loop=client.loop)
        self._under_way: dict[Future[Result], Item] = {}
        self._given_to: dict[Future[Result], str] = {}
        self._tries: dict[Future[Result], int] = {}
        self._slots: dict[str, int] = {}
        self._looked = -LOOK_S

    def results(self) -> Iterator[tuple[Item, Result]]:
        """Yield each item with its result as it gets done."""
        while self._give_out() or self._under_way:
            done = [future for future in self._ready() if self._is_done(future)]
            for future in done:
                del self._given_to[future], self._tries[future]
            self._give_out()  # before results are fetched: nobody waits for that
            for future in done:
                yield self._under_way[future], future.result()
                del self._under_way[future]

    def cancel(self) -> None:
        """Take back what is under way."""
        self._client.cancel(list(self._under_way), force=True)
        self._under_way.clear()

    def _give_out(self) -> bool:
        """Send an item to every free slot; returns whether items are left."""
        for worker in self._free():
            self._ahead.extend(islice(self._items, 1 - len(self._ahead)))
            if not self._ahead:
                return False
            self._send(self._ahead.popleft(), worker)
        # The next item is made while the workers compute.
        self._ahead.extend(islice(self._items, 1 - len(self._ahead)))
        return bool(self._ahead)

    def _free(self) -> list[str]:
        """Return a worker for each task that may be sent, those with most room first."""
        if time.monotonic() >= self._looked + LOOK_S:
            self._slots, self._looked = self._client.nthreads(), time.monotonic()
        busy = Counter(self._given_to.values())
        free = []
        for worker, threads in self._slots.items():
            slots = 1 if self._whole_workers else threads
            free += [(taken / slots, worker) for taken in range(busy[worker], slots)]
        return [worker for _, worker in sorted(free)]

    def _send(self, item: Item, worker: str) -> None:
        from distributed.protocol.pickle import dumps

        name = getattr(self._task, "__name__", type(self._task).__name__)
        future = self._client.submit(
            _call,
            dumps((self._task, item)),
            key=f"{name}-{uuid.uuid4()}",
            # If it is gone by now, another worker takes the task.
            workers=[worker],
            allow_other_workers=True,
            pure=False,
        )
        self._under_way[future], self._given_to[future], self._tries[future] = item, worker, 0
        self._done.add(future)

    def _ready(self) -> "list[Future[Result]]":
        """Wait until tasks are done, or it is time to look for workers."""
        with self._done.thread_condition:
            if not self._done.has_ready():
                self._done.thread_condition.wait(LOOK_S)
        return list(self._done.next_batch(block=False))

    def _is_done(self, future: "Future[Result]") -> bool:
        """Return whether there is a result; what failed is tried again, or raised."""
        from distributed import CancelledError, KilledWorker

        try:
            error = future.exception()
        except CancelledError as lost:
            raise RunError(
                "Dask",
                expected="a scheduler that stays",
                got=f"one that was lost or stopped ({lost})",
                remedy="Start it, and run the same command again: what is done is kept.",
            ) from lost
        if error is None:
            return True
        if isinstance(error, TokserError):
            raise error
        if isinstance(error, KilledWorker):
            raise RunError(
                f"Dask task {self._under_way[future]}",
                expected="a worker that lives until it is done",
                got=str(error),
                remedy="See the workers' logs; most often they need more memory or time.",
            ) from error
        if self._tries[future] == self._retries:
            raise RunError(
                f"Dask task {self._under_way[future]}",
                expected=f"success within {self._retries + 1} tries",
                got=f"{type(error).__name__}: {error}",
                remedy="See the workers' logs.",
            ) from error
        self._tries[future] += 1
        warn(f"Dask: a task is tried again after {type(error).__name__}: {error}")
        future.retry()
        self._done.add(future)
        return False


def _call(packed: bytes) -> Any:
    """Call a task with its item, on a worker."""
    from distributed.protocol.pickle import loads

    task, item = loads(packed)
    return task(item)
