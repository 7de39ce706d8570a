"""Every look at a test part, written down before anybody sees the score."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")
            file.flush()
            os.fsync(file.fileno())
