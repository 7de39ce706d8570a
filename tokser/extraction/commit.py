"""Commit, the last part of the extraction pipeline: outputs are fetched, full shards written.

How it works: the encoder's thread hands over the output of each batch, which on a GPU is still
being copied. One thread fetches outputs in that order and adds their rows to the shard's builder;
when a shard's last batch is in, a second thread commits the shard and releases its claim. The
next shard is filled while one is written. Outputs that were not fetched yet are bounded in number
and bytes, and one shard at most waits for the disk: whoever is slower holds up the encoder.

What must never happen: a shard that is committed before all its batches are in, or twice; a claim
that is released before its shard is in the journal (another process would compute it again); an
error that is lost (the first one is raised at the next `submit`, or by `finish`); a thread that
outlives the block. After an error or Ctrl-C, commits that have begun are finished, and shards
that are not full are dropped.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from tokser.encoders.base import PendingOutput
from tokser.extraction.load_batches import LoadedBatch
from tokser.extraction.shard_builder import ShardBuilder
from tokser.memory import release_freed_memory

__all__ = ["Committer"]

MAX_BATCHES = 64
MAX_BYTES = 128 * 2**20
"""Of outputs that were not fetched yet; two batches are always accepted."""
GIVE_BACK_S = 0.5
"""Shortest time between two returns of freed memory: allocating it again costs time."""


class Committer:
    """Takes the outputs of batches, and commits each shard once all of its are there."""

    def __init__(self) -> None:
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._may_commit = threading.Semaphore(1)
        self._changed = threading.Condition()
        self._num_pending = 0
        self._gave_back_s = time.monotonic()
        self._error: BaseException | None = None
        self._is_stopped = False

    def submit(
        self, builder: ShardBuilder, loaded: LoadedBatch | None, output: PendingOutput | None
    ) -> None:
        """Hand over a batch of a shard; waits while too many outputs are pending.

        Raises:
            BaseException: What one of the two threads failed with.
        """
        size = 0 if output is None else output.num_bytes
        limit = max(2, min(MAX_BATCHES, MAX_BYTES // max(size, 1)))
        with self._changed:
            self._changed.wait_for(lambda: self._num_pending < limit or self._error is not None)
            self._raise_error()
            self._num_pending += 1
        self._fetcher.submit(self._fetch, builder, loaded, output)

    def finish(self) -> None:
        """Wait until everything that was handed over is committed.

        Raises:
            BaseException: What one of the two threads failed with.
        """
        self._fetcher.shutdown(wait=True)
        self._committer.shutdown(wait=True)
        self._raise_error()

    def __enter__(self) -> "Committer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_stopped = error is not None
        self._fetcher.shutdown(wait=True, cancel_futures=self._is_stopped)
        self._committer.shutdown(wait=True)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _fetch(
        self, builder: ShardBuilder, loaded: LoadedBatch | None, output: PendingOutput | None
    ) -> None:
        try:
            if self._is_stopped or self._error is not None:
                return
            if loaded is not None:
                builder.add(loaded, output, builder.of.group.address)
                num_done = len(loaded.places) + len(loaded.quarantined)
                audio_s = builder.utterances.audio_s(loaded.places)
                builder.of.reporter.encoded(num_done, audio_s)
            if not builder.num_batches_left:
                self._may_commit.acquire()
                self._committer.submit(self._commit, builder)
        except BaseException as error:  # noqa: BLE001  raised again in the encoder's thread
            self._fail(error)
        finally:
            with self._changed:
                self._num_pending -= 1
                self._changed.notify_all()

    def _commit(self, builder: ShardBuilder) -> None:
        try:
            if self._error is not None:
                return
            of = builder.of
            entries = of.group.commit(
                builder.shard, builder.rows, builder.quarantined, builder.recordings
            )
            of.claims.release(builder.shard)
            of.reporter.committed(
                builder.shard,
                num_bytes=sum(entry.num_bytes for entry in entries.values()),
                num_quarantined=len(builder.utterances.quarantined),
            )
            if time.monotonic() - self._gave_back_s > GIVE_BACK_S:
                release_freed_memory()
                self._gave_back_s = time.monotonic()
        except BaseException as error:  # noqa: BLE001  raised again in the encoder's thread
            self._fail(error)
        finally:
            self._may_commit.release()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
