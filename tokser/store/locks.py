"""Who writes what: one process at a time changes a store's plan, or computes a shard."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tokser.errors import RunError, StoreLockedError
from tokser.store.backend import Backend
from tokser.store.objects import LocalObjects

__all__ = ["Locks"]

PATIENCE_S = 60.0
"""How long a change of the plan waits for another; they take milliseconds."""


class Locks:
    """Locks of a store, as files beside its folder; the system frees those of a dead process.

    Stores on other machines have none: one process at a time must write there.
    """

    def __init__(self, backend: Backend) -> None:
        local = isinstance(backend.objects, LocalObjects)
        self._base = f"{backend.address.rstrip('/')}.lock" if local else None

    @contextmanager
    def plan(self) -> Iterator[None]:
        """Hold the right to change groups and features.

        Raises:
            StoreLockedError: Another process does, for longer than any change takes.
        """
        if self._base is None:
            yield
            return
        lock = _lock(self._base)
        try:
            _acquire(lock, PATIENCE_S)
        except Timeout as error:
            raise StoreLockedError(
                self._base,
                expected=f"to change the store's plan within {PATIENCE_S:.0f} s",
                got="another process that holds the lock",
                remedy="See what holds it (`fuser` on this file), then run this again.",
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def shard(self, group: str, shard: int) -> Iterator[bool]:
        """Try to take a shard; yields whether it is ours until the block ends."""
        if self._base is None:
            yield True
            return
        lock = _lock(f"{self._base}.{group.replace('/', '.')}.{shard}")
        try:
            _acquire(lock, 0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            # Whoever waits on the removed file finds the shard committed, or takes it himself.
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()


def _lock(path: str) -> FileLock:
    return FileLock(path, thread_local=False)  # a shard's is freed by the thread that wrote it


def _acquire(lock: FileLock, timeout_s: float) -> None:
    try:
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=timeout_s)
    except Timeout:
        raise
    except (OSError, NotImplementedError) as error:
        raise RunError(
            lock.lock_file,
            expected="to lock this file",
            got=str(error),
            remedy="Name a store in a folder that you may write to, on a disk with file locks.",
        ) from error
