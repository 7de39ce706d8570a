"""Batches through an encoder: on a CPU several at a time, each on one thread.

How it works: whoever is free takes the next batch, so beside other work a thread that has lost its
core computes fewer of them, and none waits for it. Outputs are delivered in the order in which
batches came, in the thread that brought them.

What must never happen: an activation that depends on the number of threads (each batch is computed
by one); more batches in memory than two more than there are threads (memory would follow the
corpus); an output that is kept back while nothing else comes (another process may wait for its
shard, and ours for that process's); an error that is lost (it is raised where the output would have
been delivered).
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from tokser.device import keep_to_one_thread
from tokser.encoders.base import PendingOutput
from tokser.extraction.extractor import Extractor
from tokser.extraction.load_batches import LoadedBatch
from tokser.threads import num_threads

__all__ = ["BatchEncoder"]

MAX_THREADS = 32
"""Batches that are computed at a time: memory follows from it."""

Key = TypeVar("Key")


class BatchEncoder(Generic[Key]):
    """Computes batches, at the same time where an encoder's method `takes_threads` says so.

    Any other encoder computes them in the calling thread, one after the other.

    Args:
        deliver: Called with what a batch belongs to, the batch, and its output.
    """

    def __init__(
        self, deliver: Callable[[Key, LoadedBatch | None, PendingOutput | None], None]
    ) -> None:
        self._deliver = deliver
        self._waiting: deque[
            tuple[Key, LoadedBatch | None, Future[PendingOutput | None] | None]
        ] = deque()
        self._takes_threads: dict[int, bool] = {}
        """By encoder; asked once, since that loads its weights."""
        self._at_once = min(MAX_THREADS, num_threads())
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "BatchEncoder[Key]":
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(
        self, key: Key, extractor: Extractor, loaded: LoadedBatch | None, layers: Sequence[int]
    ) -> None:
        """Compute a batch; deliver one that is done, if more than enough are under way.

        Args:
            key: What the batch belongs to.
            extractor: The encoder.
            loaded: The batch; None: there is nothing to compute.
            layers: Numbers of the layers.
        """
        future = None
        if loaded is not None:
            pool = self._pool_for(extractor) if loaded.places else None
            if pool is None:
                future = Future[PendingOutput | None]()
                future.set_result(extractor.forward(loaded, layers))
            else:
                future = pool.submit(extractor.forward, loaded, layers)
        self._waiting.append((key, loaded, future))
        most = self._at_once + 1 if self._pool is not None else 0
        if len(self._waiting) > most:
            self._deliver_one()

    def finish(self) -> None:
        """Deliver everything that is under way."""
        while self._waiting:
            self._deliver_one()

    def _pool_for(self, extractor: Extractor) -> ThreadPoolExecutor | None:
        """Return the threads that compute an encoder's batches, None if it has none."""
        encoder = extractor.encoder
        if id(encoder) not in self._takes_threads:
            takes_threads = getattr(encoder, "takes_threads", None)
            self._takes_threads[id(encoder)] = takes_threads is not None and takes_threads()
        if not self._takes_threads[id(encoder)]:
            return None
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._at_once, "encode", initializer=keep_to_one_thread)
        return self._pool

    def _deliver_one(self) -> None:
        key, loaded, future = self._waiting.popleft()
        self._deliver(key, loaded, None if future is None else future.result())
