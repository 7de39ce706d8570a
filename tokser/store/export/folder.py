"""A folder that is there whole or not at all, and takes nothing's place."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tokser.errors import RunError, SettingsError, TokserError
from tokser.provenance import sync_to_disk

__all__ = ["new_folder"]


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill beside `folder`; it takes that name when the block is done.

    Raises:
        SettingsError: There is something at `folder` already.
        RunError: It cannot be written, or another process is writing it.
    """
    folder = folder.absolute()
    partial = folder.with_name(f".{folder.name}.partial")
    lock = FileLock(f"{folder}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        try:
            _refuse_occupied(folder)
            shutil.rmtree(partial, ignore_errors=True)  # what a killed process left
            partial.mkdir()
            yield partial
            _move(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()
    except Timeout as error:
        raise RunError(
            folder,
            expected="no other process that writes it",
            got="one that holds its lock",
            remedy="Wait until it is done, or name another folder.",
        ) from error
    except TokserError:
        raise
    except OSError as error:
        raise RunError(
            folder,
            expected="room and the right to write",
            got=error.strerror or str(error),
            remedy="Make room, or name another folder; nothing is left of this one.",
        ) from error


def _refuse_occupied(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise SettingsError(
            folder,
            expected="a new folder",
            got="a file" if folder.is_file() else "one that holds something",
            remedy="Name another one, or remove this one.",
        )


def _move(partial: Path, folder: Path) -> None:
    for path in (*partial.rglob("*"), partial):
        sync_to_disk(path)
    partial.replace(folder)
    sync_to_disk(folder.parent)
