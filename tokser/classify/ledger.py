"""Every look at a test part, written down before anybody sees the score."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from tokser.classify.protocols import Split
from tokser.provenance import digest_of

__all__ = ["Ledger"]


class Ledger:
    """An append-only file of JSON lines.

    Args:
        path: The file; made at the first look.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, split: Split, **look: Any) -> None:
        """Write down one look at the test part of `split`, down to the disk."""
        entry = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "fold": split.fold,
            "test_digest": digest_of(sorted(split.test)),
            **look,
        }
        line = json.dumps(entry, ensure_ascii=False, default=str) + "\n"
        with self._path.open("a+b") as file:
            _drop_torn_line(file)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())


def _drop_torn_line(file: IO[bytes]) -> None:
    """Drop what a crash or a full disk cut short: the look it announces never took place."""
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
