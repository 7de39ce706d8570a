"""Before the first stage: download a published corpus."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tokser.corpora.download.archive import unpack
from tokser.corpora.download.placing import MARK, home_of, lacks_of, place
from tokser.corpora.download.published import PublishedArchive, published_archives
from tokser.corpora.download.transfer import fetch, partial_of
from tokser.errors import CorpusError, InputError, RunError
from tokser.file_locks import acquire
from tokser.progress import say

__all__ = ["Downloaded", "download"]

WORKPLACE = ".download"
"""Folder of unfinished downloads in the corpus's own; removed when it is empty."""

_UNPACKED = 1.25
"""Bytes that come out of an archive for each of its own: FLAC does not shrink, EmoDB's WAVs do."""


@dataclass(frozen=True)
class Downloaded:
    """What a call of `download` did.

    Attributes:
        fetched: Names of the parts that were downloaded or unpacked.
        kept: Names of the parts that were there.
        incomplete: What incomplete parts lack, by name.
    """

    fetched: tuple[str, ...]
    kept: tuple[str, ...]
    incomplete: dict[str, str]


def download(
    dataset: str,
    root: Path,
    *,
    splits: Sequence[str] = (),
    mirror: str | None = None,
    only_missing: bool = False,
    keep_archives: bool = False,
) -> Downloaded:
    """Download, check and unpack what `root` lacks; only the named parts are requested.

    Args:
        dataset: `librispeech` or `emodb`.
        root: The corpus's own folder, made if it is not there.
        splits: Parts of LibriSpeech.
        mirror: Address of a folder with the same files.
        only_missing: Keep a split or corpus that is there, even if it is incomplete.
        keep_archives: Keep the archives, in `root/.download`.

    Raises:
        CorpusError: The corpus is licensed, or incomplete on disk, or the archive is not the
            expected one.
        InputError: A split is unknown, or the disk has no room.
        RunError: The server or the network fails, or another process fetches the same.
    """
    archives = published_archives(dataset, splits, mirror=mirror)
    there = {archive.name: _state(archive, root) for archive in archives}
    incomplete = {name: lacks for name, lacks in there.items() if lacks}
    if incomplete and not only_missing:
        raise CorpusError(
            root,
            expected="complete splits, or no folders of them",
            got="; ".join(incomplete.values()),
            remedy="Move the incomplete ones away to download them again, or use them as they are.",
        )
    pending = [archive for archive in archives if there[archive.name] is None]
    _require_free_disk(pending, root, keep_archives=keep_archives)
    for archive in pending:
        _download_archive(archive, root, keep_archive=keep_archives)
    names = [archive.name for archive in pending]
    return Downloaded(tuple(names), tuple(name for name in there if name not in names), incomplete)


def _state(archive: PublishedArchive, root: Path) -> str | None:
    """Return None if the archive's content is not there, else what it lacks; "" if complete."""
    home = home_of(archive, root)
    if (home / MARK).is_file():
        return ""
    return "; ".join(lacks_of(archive, root)) if home.is_dir() else None


def _download_archive(archive: PublishedArchive, root: Path, *, keep_archive: bool) -> None:
    workplace = root / WORKPLACE
    with _only_here(archive, workplace):
        if _state(archive, root) is not None:  # another process brought it in the meantime
            return
        file = workplace / archive.file_name
        fetch(archive.url, file, num_bytes=archive.num_bytes, checksum=archive.checksum)
        unpacked = workplace / f"{archive.name}.unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)  # of a process that was killed
        try:
            unpack(file, unpacked)
            place(archive, unpacked, root)
        except CorpusError:
            # Fetched again, it may be another; one that passed its checksum will not be.
            if not archive.checksum:
                file.unlink()
            shutil.rmtree(unpacked, ignore_errors=True)
            raise
        if not keep_archive:
            file.unlink()
        say(f"{archive.name}: {archive.num_utterances:,} recordings -> {home_of(archive, root)}")


@contextmanager
def _only_here(archive: PublishedArchive, workplace: Path) -> Iterator[None]:
    """Hold the lock of an archive while the block runs."""
    workplace.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workplace / f"{archive.name}.lock")
    try:
        acquire(lock, 0, remedy="Name a folder with --root on a disk that has them.")
    except Timeout as error:
        raise RunError(
            workplace,
            expected=f"no other process downloading {archive.name}",
            got="one that is",
            remedy="Wait until it is done, then run the same command again.",
        ) from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
        if not any(workplace.iterdir()):
            workplace.rmdir()


def _require_free_disk(
    archives: Sequence[PublishedArchive], root: Path, *, keep_archives: bool
) -> None:
    """Raise `InputError` if the disk cannot hold the archives and their content."""
    if not archives:
        return
    needed = peak = 0.0
    for archive in archives:
        to_fetch = archive.num_bytes - _num_bytes_there(archive, root)
        peak = max(peak, needed + to_fetch + _UNPACKED * archive.num_bytes)
        needed += _UNPACKED * archive.num_bytes + (to_fetch if keep_archives else 0)
    folder = root.absolute()
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if peak > free:
        raise InputError(
            root,
            expected=f"{peak / 1e9:.2f} GB of free disk for archives and their content",
            got=f"{free / 1e9:.2f} GB; nothing was fetched",
            remedy="Name a --root on another disk, free some space, or name fewer splits.",
        )


def _num_bytes_there(archive: PublishedArchive, root: Path) -> int:
    file = root / WORKPLACE / archive.file_name
    found = [path for path in (file, partial_of(file)) if path.is_file()]
    return found[0].stat().st_size if found else 0
