"""Transcripts that were finished before: a file of lines, written after every batch.

A line stands for a recording's audio, the model and the settings, so it is used again wherever
the same would be computed: after an interruption, and when recordings were added. Lines are
appended and forced to the disk; one that a power cut left half written is left out, and that
recording is transcribed again. The file may be removed at any time.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xxhash
from filelock import FileLock, Timeout

from tokser.errors import RunError
from tokser.file_locks import acquire
from tokser.progress import warn
from tokser.transcription.transcript import Transcript

__all__ = ["Finished"]


class Finished:
    """Finished transcripts by key.

    Args:
        path: The file; None: they are kept in memory alone.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._found: dict[str, Transcript] = {}

    @contextmanager
    def begun(self) -> Iterator["Finished"]:
        """Read the file, and keep other processes from writing it while the block runs.

        Raises:
            RunError: Another process writes it.
        """
        if self._path is None:
            yield self
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self._path.resolve()}.lock")
        try:
            acquire(lock, 0, remedy="Name a file with --out on a disk that has them.")
        except Timeout as error:
            raise RunError(
                self._path,
                expected="no other process that transcribes into it",
                got="one that has its lock",
                remedy="Wait until it is done, or name another file with --out.",
            ) from error
        try:
            self._read(self._path)
            yield self
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def get(self, key: str) -> Transcript | None:
        """Return the transcript of a key, if it is finished."""
        return self._found.get(key)

    def put(self, transcripts: Mapping[str, Transcript]) -> None:
        """Keep transcripts."""
        self._found |= transcripts
        if self._path is None or not transcripts:
            return
        lines = "".join(_line(key, one) + "\n" for key, one in transcripts.items())
        is_torn = self._path.is_file() and _is_torn(self._path)
        with self._path.open("ab") as file:
            file.write((b"\n" if is_torn else b"") + lines.encode())
            file.flush()
            os.fsync(file.fileno())

    def _read(self, path: Path) -> None:
        if not path.is_file():
            return
        num_damaged = 0
        for line in path.read_bytes().splitlines():
            found = _parsed(line)
            if found is None:
                num_damaged += bool(line.strip())
            else:
                self._found[found[0]] = found[1]
        if num_damaged:
            warn(f"{path}: {num_damaged} damaged lines are left out; they are transcribed again")


def _line(key: str, transcript: Transcript) -> str:
    content = {"key": key, **transcript.as_json()}
    return json.dumps(content | {"checksum": _checksum(content)}, ensure_ascii=False)


def _parsed(line: bytes) -> tuple[str, Transcript] | None:
    try:
        content: dict[str, Any] = json.loads(line)
        checksum = content.pop("checksum")
        if checksum != _checksum(content):
            return None
        return str(content["key"]), Transcript.from_json(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _checksum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return xxhash.xxh3_64_hexdigest(text.encode())


def _is_torn(path: Path) -> bool:
    """Tell whether the last line has no end."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
