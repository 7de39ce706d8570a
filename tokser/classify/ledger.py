"""Every look at a test part, written down before anybody sees the score."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from tokser.classify.protocols import Split
from tokser.provenance import digest_of

__all__ = ["Ledger"]


class Ledger:
    """An append-only file of JSON lines, and a copy that other runs share.

    Args:
        path: The file; made at the first look.
        shared: Where all runs write their looks, which tells each how often others had looked.
        run: What tells this run from others: the digest of its settings.
    """

    def __init__(self, path: Path, *, shared: Path | None = None, run: str = "") -> None:
        self._path, self._shared, self._run = path, shared, run
        self._others: dict[str, set[str]] | None = None

    def record(self, split: Split, **look: Any) -> None:
        """Write down one look at the test part of `split`, down to the disk.

        With a shared ledger, `other_runs` says how many other runs had looked at that very test
        part before.
        """
        digest = digest_of(sorted(split.test))
        entry: dict[str, Any] = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "fold": split.fold,
            "test_digest": digest,
        }
        if self._shared is not None:
            entry |= {"run": self._run, "other_runs": len(self._runs_at(digest))}
        line = (json.dumps(entry | look, ensure_ascii=False, default=str) + "\n").encode()
        if self._shared is not None:
            self._shared.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._shared.resolve()}.lock"):
                _append(self._shared, line)
        _append(self._path, line)

    def _runs_at(self, digest: str) -> set[str]:
        """Return the other runs that had looked at a test part before this one began to look."""
        if self._others is None:
            self._others = {}
            for look in _read(self._shared):
                if look.get("run") != self._run:
                    seen = self._others.setdefault(str(look.get("test_digest")), set())
                    seen.add(str(look.get("run")))
        return self._others.get(digest, set())


def _append(path: Path, line: bytes) -> None:
    with path.open("a+b") as file:
        _drop_torn_line(file)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path | None) -> Sequence[dict[str, Any]]:
    if path is None or not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a torn line was no look
    return [json.loads(line) for line in lines if line.strip()]


def _drop_torn_line(file: IO[bytes]) -> None:
    """Drop what a crash or a full disk cut short: the look it announces never took place."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    if size and file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
