"""Locks of a store: one process at a time changes its plan, or computes a shard."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tokser.errors import RunError, StoreLockedError
from tokser.provenance import digest_of
from tokser.store.backend import Backend
from tokser.store.feature_name import PARTS
from tokser.store.objects import LocalObjects

__all__ = ["Locks"]

_MOST_BYTES = 100
"""Of a group in the name of a lock; longer ones are named by their digest."""

PATIENCE_S = 60.0
"""How long a change of the plan waits for another; they take milliseconds."""


class Locks:
    """Locks of a store, as files beside its folder; the system frees those of a dead process.

    They go by the real folder, whatever links lead to it. Stores on other machines have none: one
    process at a time must write there.
    """

    def __init__(self, backend: Backend) -> None:
        self._base: str | None = None
        if isinstance(backend.objects, LocalObjects):
            self._base = f"{backend.objects.folder.resolve()}.lock"
        self._address = backend.address

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
        lock = _lock(f"{self._base}.{_part_of_name(group)}.{shard}")
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

    def require_idle(self, groups: Iterable[str], doing: str) -> None:
        """Raise unless no process computes a shard of these groups; hold the plan's lock.

        Whoever takes a shard later finds at its commit what was changed, see `GroupWriter.commit`.

        Args:
            groups: Their names.
            doing: What is to be done, for the message.

        Raises:
            StoreLockedError: Some process does.
        """
        if self._base is None:
            return
        base = Path(self._base)
        starts = tuple(f"{base.name}.{_part_of_name(group)}." for group in groups)
        for path in sorted(base.parent.iterdir()) if base.parent.is_dir() else ():
            if not path.name.startswith(starts) or not path.suffix[1:].isdigit():
                continue
            lock = _lock(str(path))
            try:
                _acquire(lock, 0)
            except Timeout as error:
                raise StoreLockedError(
                    self._address,
                    expected=f"no other process that writes to it, to {doing}",
                    got=f"one that holds {path.name}",
                    remedy="Wait until it is done, then run this again; nothing was changed.",
                ) from error
            path.unlink(missing_ok=True)
            lock.release()


def _part_of_name(group: str) -> str:
    """Return what stands for a group in names of files, which have 255 bytes at most."""
    name, _, part = group.partition(f"/{PARTS}/")
    if len(name.encode()) > _MOST_BYTES:
        name = digest_of(name)[:32]
    return f"{name}.{PARTS}.{part}".replace("/", ".") if part else name.replace("/", ".")


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
