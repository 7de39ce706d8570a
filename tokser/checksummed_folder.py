"""Checksummed folders: `SHA256SUMS` has the digest of every file, and is checked when it is read.

Names in the index are relative: a folder may be copied and moved. Files that are not in the index
(the user's own, logs) are no concern of it.

A file is written before the index says so. Where one takes the place of another, the index names
both digests meanwhile: a process may be killed at any time, and what is there is whole.
"""

import errno
import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tokser.checksum_index import INDEX, ChecksumIndex
from tokser.durable import sha256_of_file, sync_to_disk, write_atomically
from tokser.errors import DamagedFileError, InputError

__all__ = ["INDEX", "ChecksummedFolder"]

_WITNESS = "begun.json"
"""File that mentions the index from the beginning, so that a lost index is noticed."""


class ChecksummedFolder:
    """The files of a folder, with their digests.

    Reads the index again each time; one process at a time may write.

    Args:
        folder: It need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def has_checksums(self) -> bool:
        """Whether there is an index, or was one; earlier versions wrote none."""
        if (self.folder / INDEX).exists():
            return True
        witness = self.folder / _WITNESS
        return witness.is_file() and INDEX.encode() in witness.read_bytes()

    @property
    def made_of(self) -> str:
        """Digest of what the folder is made of; empty without a whole index."""
        try:
            return self._read().made_of
        except DamagedFileError:
            return ""

    def begin(self, made_of: str) -> None:
        """Begin an index without files, in place of another one."""
        self._write(ChecksumIndex(made_of, {}))

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files, by name, and their digests.

        Raises:
            InputError: A folder that is not empty is where a file should be.
            DamagedFileError: The index is damaged.
        """

        def write() -> None:
            for name, content in files.items():
                _make_way(self.folder / name)
                write_atomically(self.folder / name, content)

        self._change({n: hashlib.sha256(c).hexdigest() for n, c in files.items()}, write)

    def move(self, files: Mapping[str, Path]) -> None:
        """Move files of the same disk into place, one after the other, and note their digests."""

        def rename() -> None:
            for name, path in files.items():
                _make_way(self.folder / name)
                path.replace(self.folder / name)
                sync_to_disk((self.folder / name).parent)

        for path in files.values():
            sync_to_disk(path)
        self._change({name: sha256_of_file(path) for name, path in files.items()}, rename)

    def note(self, *names: str) -> None:
        """Note the digests of files as they are now."""
        self._change({name: sha256_of_file(self.folder / name) for name in names}, lambda: None)

    def drop(self, *names: str) -> None:
        """Remove files, and forget them."""
        index = self._current()
        for name in names:
            path = self.folder / name
            _make_way(path)
            path.unlink(missing_ok=True)
            index.digests.pop(name, None)
        self._write(index)

    def listed(self) -> list[str]:
        """Return the names in the index, `DamagedFileError` if it is damaged."""
        return list(self._read().digests)

    def digest(self, name: str) -> str | None:
        """Return what the index says of a file, None where that is nothing, or not one thing."""
        found = self._read().digests.get(name, ())
        return found[0] if len(found) == 1 else None

    def faults(self, names: Iterable[str] | None = None) -> dict[str, str]:
        """Say of each file that is not as it was written what is wrong with it.

        Args:
            names: Those looked at, which should be in the index; all that are in it if None.

        Raises:
            DamagedFileError: The index is damaged or gone.
        """
        digests = self._read().digests
        found = {}
        for name in digests if names is None else names:
            wanted = digests.get(name)
            fault = f"is not in {INDEX}" if wanted is None else _fault(self.folder / name, wanted)
            if fault:
                found[name] = fault
        return found

    def is_whole(self, *names: str) -> bool:
        """Tell whether files are in the index and as they were written."""
        try:
            return not self.faults(names)
        except DamagedFileError:
            return False

    def require_whole(self, name: str, remedy: str) -> None:
        """Raise `DamagedFileError` unless a file is as it was written; pass without an index."""
        if not self.has_checksums:
            return
        for fault in self.faults([name]).values():
            raise DamagedFileError(
                self.folder / name,
                expected=f"the file that was written, whose digest is in {INDEX}",
                got=f"one that {fault}",
                remedy=remedy,
            )

    def _change(self, digests: Mapping[str, str], act: Callable[[], None]) -> None:
        index = self._current()
        before = {name: index.digests[name] for name in digests if name in index.digests}
        both = {name: tuple(dict.fromkeys((*of, digests[name]))) for name, of in before.items()}
        if both != before:
            self._write(index._replace(digests=index.digests | both))
        act()
        after = {name: (digest,) for name, digest in digests.items()}
        self._write(index._replace(digests=index.digests | after))

    def _current(self) -> ChecksumIndex:
        """Return the index; an empty one where there is none yet."""
        return self._read() if (self.folder / INDEX).exists() else ChecksumIndex("", {})

    def _write(self, index: ChecksumIndex) -> None:
        _make_way(self.folder / INDEX)
        write_atomically(self.folder / INDEX, index.to_bytes())

    def _read(self) -> ChecksumIndex:
        path = self.folder / INDEX
        try:
            return ChecksumIndex.from_bytes(path.read_bytes())
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise _damaged_index(path, error.strerror or str(error)) from error
        except ValueError as error:
            raise _damaged_index(path, str(error)) from error


def _fault(path: Path, wanted: tuple[str, ...]) -> str:
    """Say what is wrong with a file; a block of the disk that cannot be read is damage, too."""
    try:
        return "" if sha256_of_file(path) in wanted else f"has another digest than in {INDEX}"
    except (FileNotFoundError, NotADirectoryError):
        return "is gone"
    except IsADirectoryError:
        return "is a folder"
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return f"cannot be read ({error.strerror})"


def _make_way(path: Path) -> None:
    """Remove an empty folder that is where a file should be."""
    if not path.is_dir() or path.is_symlink():
        return
    try:
        path.rmdir()
    except OSError as error:
        raise InputError(
            path,
            expected="a file, or nothing yet",
            got="a folder with other things in it",
            remedy="Move it elsewhere, then run the same command again.",
        ) from error


def _damaged_index(path: Path, got: str) -> DamagedFileError:
    return DamagedFileError(
        path,
        expected="the digests of all files of the folder",
        got=got,
        remedy="Run the command that made the folder again.",
    )
