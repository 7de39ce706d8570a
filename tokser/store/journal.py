"""The journal: which shards of a feature are whole, with a checksum per utterance.

A shard exists when its entry is here; what lies on disk without an entry does not count.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import xxhash
from numpy.typing import NDArray

from tokser.errors import CorruptStoreError
from tokser.store.layout import Layout

__all__ = ["JournalEntry", "checksum", "layout_digest", "parse_entry"]


@dataclass(frozen=True)
class JournalEntry:
    """One committed shard of one feature.

    Attributes:
        shard: Number of the shard.
        layout: Digest of the layout that it was packed by.
        first_utterance: Position of its first utterance in the manifest.
        checksums: xxh3-64 (hex) of each utterance's rows, in order; of nothing if it has no rows.
        quarantined: Reasons, by id, of the utterances that were set aside.
        num_bytes: Size of the shard's file, None where the backend cannot tell.
    """

    shard: int
    layout: str
    first_utterance: int
    checksums: tuple[str, ...]
    quarantined: dict[str, str]
    num_bytes: int | None

    def to_text(self) -> str:
        """Return the entry as JSON that carries its own digest."""
        content = asdict(self)
        return json.dumps(content | {"digest": _digest(content)}, ensure_ascii=False)


def parse_entry(text: str, *, shard: int, layout: str, where: str) -> JournalEntry:
    """Read an entry back.

    Raises:
        CorruptStoreError: It is damaged, or belongs to another shard or layout.
    """
    try:
        content = json.loads(text)
        digest = content.pop("digest")
        entry = JournalEntry(**content | {"checksums": tuple(content["checksums"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _corrupt(where, "a journal entry", f"unreadable text ({error})") from error
    if _digest(asdict(entry)) != digest:
        raise _corrupt(where, f"an entry with digest {digest}", _digest(asdict(entry)))
    if (entry.shard, entry.layout) != (shard, layout):
        raise _corrupt(
            where,
            f"the entry of shard {shard} of layout {layout}",
            f"that of shard {entry.shard} of layout {entry.layout}",
        )
    return entry


def checksum(rows: NDArray[Any]) -> str:
    """Return the xxh3-64 (hex) of an array's bytes, C order, little endian."""
    return xxhash.xxh3_64_hexdigest(rows.data.cast("B") if rows.size else b"")


def layout_digest(layout: Layout) -> str:
    """Return the xxh3-64 (hex) of a layout: starts, lengths, rows per shard."""
    hasher = xxhash.xxh3_64()
    for part in (layout.row_starts, layout.row_lengths):
        hasher.update(part.astype("<i8").tobytes())
    hasher.update(str(layout.rows_per_shard).encode())
    return hasher.hexdigest()


def _digest(content: dict[str, Any]) -> str:
    sequence: Sequence[Any] = sorted(content.items())
    return xxhash.xxh3_64_hexdigest(json.dumps(sequence, sort_keys=True).encode())


def _corrupt(where: str, expected: str, got: str) -> CorruptStoreError:
    return CorruptStoreError(
        where,
        expected=expected,
        got=got,
        remedy="The journal is damaged: run `tokser store verify`, and extract this store again.",
    )
