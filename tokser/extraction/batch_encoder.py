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
    """Computes batches, at the same time if the encoder has a method `takes_threads` that says so.

    Any other encoder computes them in the calling thread, one after the other.

    Args:
        extractor: The encoder.
        deliver: Called with what a batch belongs to, the batch, and its output.
    """

    def __init__(
        self,
        extractor: Extractor,
        deliver: Callable[[Key, LoadedBatch | None, PendingOutput | None], None],
    ) -> None:
        self._extractor, self._deliver = extractor, deliver
        self._waiting: deque[
            tuple[Key, LoadedBatch | None, Future[PendingOutput | None] | None]
        ] = deque()
        self._at_once: int | None = None  # unknown until there is a batch
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> "BatchEncoder[Key]":
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, key: Key, loaded: LoadedBatch | None, layers: Sequence[int]) -> None:
        """Compute a batch; deliver one that is done, if more than enough are under way.

        Args:
            key: What the batch belongs to.
            loaded: The batch; None: there is nothing to compute.
            layers: Numbers of the layers.
        """
        if loaded is not None and loaded.places and self._at_once is None:
            self._start()
        if self._pool is None:
            output = None if loaded is None else self._extractor.forward(loaded, layers)
            self._deliver(key, loaded, output)
            return
        future = None
        if loaded is not None:
            future = self._pool.submit(self._extractor.forward, loaded, layers)
        self._waiting.append((key, loaded, future))
        if len(self._waiting) > (self._at_once or 0) + 1:
            self._deliver_one()

    def finish(self) -> None:
        """Deliver everything that is under way."""
        while self._waiting:
            self._deliver_one()

    def _start(self) -> None:
        takes_threads = getattr(self._extractor.encoder, "takes_threads", None)
        if takes_threads is not None and takes_threads():
            self._at_once = min(MAX_THREADS, num_threads())
            self._pool = ThreadPoolExecutor(self._at_once, "encode", initializer=keep_to_one_thread)
        else:
            self._at_once = 0

    def _deliver_one(self) -> None:
        key, loaded, future = self._waiting.popleft()
        self._deliver(key, loaded, None if future is None else future.result())
