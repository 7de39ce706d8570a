"""Behind the encoder: rows are fetched and cast by one thread, shards committed by another."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from tokser.encoders.base import Landing
from tokser.extraction.batches import Loaded
from tokser.extraction.feature_specs import Filling
from tokser.extraction.progress import Meter
from tokser.memory import give_back_freed
from tokser.store import Claims, GroupWriter

__all__ = ["Drain"]

MOST_PASSES = 64
MOST_BYTES = 128 * 2**20
"""Of passes whose rows were not fetched yet; two are always let in."""
GIVE_BACK_S = 0.5
"""Freed memory goes back to the system no more often: pages that come anew cost time."""


class Drain:
    """Takes the rows of passes, and commits each shard once all of its are there.

    One shard is written while the next one is filled; a disk slower than that holds up the
    encoder. Leaving the block after an error, Ctrl-C included, waits for the commits that are
    under way, and drops shards that are not full.

    Args:
        group: Where shards are committed.
        claims: Lets go of each that was.
        meter: Is told of utterances and bytes.
    """

    def __init__(self, group: GroupWriter, claims: Claims, meter: Meter) -> None:
        self._group, self._claims, self._meter = group, claims, meter
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._may_commit = threading.Semaphore(1)
        self._changed = threading.Condition()
        self._num_waiting = 0
        self._gave_back_s = time.monotonic()
        self._error: BaseException | None = None
        self._is_stopped = False

    def put(self, filling: Filling, loaded: Loaded | None, landing: Landing | None) -> None:
        """Hand over a pass of a shard; waits while too much is waiting.

        Raises:
            BaseException: What a thread behind this failed with.
        """
        size = 0 if landing is None else landing.num_bytes
        most = max(2, min(MOST_PASSES, MOST_BYTES // max(size, 1)))
        with self._changed:
            self._changed.wait_for(lambda: self._num_waiting < most or self._error is not None)
            self._raise_error()
            self._num_waiting += 1
        self._fetcher.submit(self._fetch, filling, loaded, landing)

    def finish(self) -> None:
        """Wait until all that was handed over is committed.

        Raises:
            BaseException: What a thread failed with.
        """
        self._fetcher.shutdown(wait=True)
        self._committer.shutdown(wait=True)
        self._raise_error()

    def __enter__(self) -> "Drain":
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

    def _fetch(self, filling: Filling, loaded: Loaded | None, landing: Landing | None) -> None:
        try:
            if self._is_stopped or self._error is not None:
                return
            if loaded is not None:
                filling.add(loaded, landing, self._group.address)
                done = [*loaded.places, *loaded.reasons]
                self._meter.encoded(len(done), filling.part.audio_s(loaded.places))
            if not filling.num_passes_left:
                self._may_commit.acquire()
                self._committer.submit(self._commit, filling)
        except BaseException as error:  # noqa: BLE001  raised again by whoever waits
            self._fail(error)
        finally:
            with self._changed:
                self._num_waiting -= 1
                self._changed.notify_all()

    def _commit(self, filling: Filling) -> None:
        try:
            if self._error is not None:
                return
            entries = self._group.commit(
                filling.shard, filling.rows, filling.quarantined, filling.recordings
            )
            self._claims.release(filling.shard)
            self._meter.committed(
                filling.shard,
                num_bytes=sum(entry.num_bytes for entry in entries.values()),
                num_unusable=len(filling.part.reasons),
            )
            if time.monotonic() - self._gave_back_s > GIVE_BACK_S:
                give_back_freed()
                self._gave_back_s = time.monotonic()
        except BaseException as error:  # noqa: BLE001  raised again by whoever waits
            self._fail(error)
        finally:
            self._may_commit.release()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
