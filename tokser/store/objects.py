"""Files of a store by key: written whole or not at all, and down to the disk."""

import errno
import os
import stat
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from tokser.errors import CorruptStoreError, RunError
from tokser.provenance import sync_to_disk

__all__ = ["LocalObjects", "Objects", "regular_size"]

_PIECE_BYTES = 2 * 2**20

Bytes = Any
"""Anything with the buffer protocol."""

_REMEDIES = {
    errno.ENOSPC: "Free space on this disk, or name a store on another; then run this again.",
    errno.EDQUOT: "Free some of your quota, or name a store elsewhere; then run this again.",
    errno.EFBIG: "Raise the limit on file sizes (ulimit -f), or lower --shard-mb.",
    errno.EROFS: "This disk is read only: name a store elsewhere.",
    errno.EACCES: "Ask for the right to write here, or name a store elsewhere.",
    errno.EPERM: "Ask for the right to write here, or name a store elsewhere.",
}


class Objects(Protocol):
    """Where the bytes of a store lie; keys are relative, with forward slashes."""

    address: str
    """Folder or URL of the store."""

    def put(self, key: str, parts: Iterable[Bytes]) -> None:
        """Write an object whole, or leave what was there; `RunError` says why it failed."""

    def get(self, key: str) -> bytes | None:
        """Read an object, None if there is none."""

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read objects, None for each that is not there."""

    def get_range(self, key: str, first: int, after: int) -> bytes:
        """Read some bytes of an object that exists."""

    def size(self, key: str) -> int | None:
        """Size in bytes, None if there is no such object."""

    def keys_under(self, prefix: str) -> list[str]:
        """List everything under a folder, by key relative to it, in no order."""

    def delete(self, prefix: str) -> None:
        """Remove an object, or everything under a folder; nothing happens if there is none."""

    def local_path(self, key: str) -> Path | None:
        """Path of an object's file, None where it is on another machine."""


class LocalObjects:
    """A store's folder on a disk of this machine, or one that is mounted here."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, str(folder)

    def put(self, key: str, parts: Iterable[Bytes]) -> None:
        """Write a file beside, force it down to the disk, and move it into place.

        The caller holds the lock that covers `key`, so what killed writers left of it can go.
        """
        path = self.folder / key
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            made = _make_folder(path.parent)
            for leftover in path.parent.glob(f".{path.name}.*.partial"):
                leftover.unlink(missing_ok=True)
            with partial.open("wb", buffering=0) as file:
                for part in parts:
                    _write_all(file, part)
                os.fsync(file.fileno())
            partial.replace(path)
            for folder in (path.parent, *made):
                sync_to_disk(folder)
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0, "Mend the disk, then run this again.")
            raise RunError(
                path,
                expected="room and the right to write",
                got=f"{error.strerror or error}",
                remedy=f"{remedy} What was committed before is intact.",
            ) from error
        finally:
            _remove_if_there(partial)

    def get(self, key: str) -> bytes | None:
        """Read a file."""
        path = f"{self.address}/{key}"
        try:
            if regular_size(path) is None:
                return None
            return Path(path).read_bytes()
        except FileNotFoundError:  # it was removed between the two calls
            return None
        except OSError as error:
            raise _unreadable(path, error) from error

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Read files."""
        return [self.get(key) for key in keys]

    def get_range(self, key: str, first: int, after: int) -> bytes:
        """Read some bytes of a file."""
        path = f"{self.address}/{key}"
        regular_size(path)
        try:
            with Path(path).open("rb") as file:
                file.seek(first)
                return file.read(after - first)
        except OSError as error:
            raise _unreadable(path, error) from error

    def size(self, key: str) -> int | None:
        """Size of a file."""
        return regular_size(f"{self.address}/{key}")

    def keys_under(self, prefix: str) -> list[str]:
        """List the files under a folder."""
        folder = self.folder / prefix
        return [
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
        ]

    def delete(self, prefix: str) -> None:
        """Remove a file, or a folder and what it holds; of a link, the link alone."""
        path = self.folder / prefix
        try:
            if path.is_dir() and not path.is_symlink():
                for entry in path.iterdir():
                    self.delete(f"{prefix}/{entry.name}")
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        except NotADirectoryError:
            return  # it would lie under a file
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0, "Mend the disk, then run this again.")
            raise RunError(
                path,
                expected="the right to remove it",
                got=str(error.strerror or error),
                remedy=remedy,
            ) from error

    def local_path(self, key: str) -> Path | None:
        """Path of a file, whether it exists or not."""
        return self.folder / key


def regular_size(path: str) -> int | None:
    """Return the size of a file, None if there is none.

    Raises:
        CorruptStoreError: There is something else: a folder, or a device or pipe, from which
            reading might never end.
        RunError: The disk does not say.
    """
    try:
        found = os.stat(path)  # noqa: PTH116  a Path costs as much as the call
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise CorruptStoreError(
            path,
            expected="a file",
            got="a folder" if stat.S_ISDIR(found.st_mode) else "a device, a pipe or a socket",
            remedy="Remove it, then run `tokser store repair` and the same `tokser extract` again.",
        )
    return found.st_size


def _unreadable(path: str, error: OSError) -> RunError:
    return RunError(
        path,
        expected="a file that can be read",
        got=error.strerror or str(error),
        remedy="Mend the disk, or ask for the right to read it; then run this again.",
    )


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder; return those whose entries changed."""
    missing = [folder]
    while not missing[-1].exists():
        missing.append(missing[-1].parent)
    folder.mkdir(parents=True, exist_ok=True)
    return missing[1:]


def _write_all(file: Any, part: Bytes) -> None:
    view = memoryview(part).cast("B")
    while len(view):
        start = file.tell()
        written = file.write(view[:_PIECE_BYTES])
        _begin_flush(file.fileno(), start, written)
        view = view[written:]


def _begin_flush(descriptor: int, start: int, size: int) -> None:
    """Let the disk begin with a piece while the next one is copied: fsync then waits less."""
    if hasattr(os, "posix_fadvise") and size == _PIECE_BYTES:
        os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_DONTNEED)


def _remove_if_there(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
