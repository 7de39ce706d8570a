"""The journal: which shards of a feature are committed, with a checksum per utterance.

An entry is written after its shard's file is on the disk, in one atomic replacement, and is the
only thing that makes the shard exist: a file without an entry does not count, whatever it holds,
and is written again. An entry carries a digest of itself, the identity of its feature (manifest,
provenance, layout, dtype), the size and digest of the file, and the checksum of each utterance's
rows. So a reader can tell a shard that is pending from one that was lost, and rows of this feature
from rows of another that lies at the same place. Invalidating a shard goes the other way round:
the entry first, then the file.

What must never happen: an entry before its shard is on the disk, a shard rewritten with other rows
under an old entry, or rows returned for which there is no entry. Libraries return zeros for a
missing file; only the journal tells.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import xxhash
from numpy.typing import NDArray

from tokser.errors import CorruptStoreError
from tokser.store.layout import Layout

__all__ = ["JournalEntry", "Record", "Recording", "checksum", "layout_digest", "parse_entry"]


@dataclass(frozen=True)
class Recording:
    """What a recording was when it was encoded."""

    digest: str
    """xxh3-64 (hex) of its file."""
    modified_ns: int
    """When it had last been changed, in ns since 1970."""


@dataclass(frozen=True)
class Record:
    """What the journal says of one utterance of a feature.

    Attributes:
        checksum: xxh3-64 (hex) of its rows.
        recording: What was encoded; with an empty digest for text.
        reason: Why it is quarantined; None if it is not.
    """

    checksum: str
    recording: Recording
    reason: str | None


@dataclass(frozen=True)
class JournalEntry:
    """One committed shard of one feature.

    Attributes:
        shard: Number of the shard.
        identity: Digest of what the feature is, see `Layer.identity`.
        first_utterance: Position of its first utterance in the manifest.
        checksums: xxh3-64 (hex) of each utterance's rows, in order; of nothing if it has no rows.
        quarantined: Reasons, by id, of the quarantined utterances.
        num_bytes: Size of the shard's file.
        file_digest: xxh3-64 (hex) of the shard's file.
        recordings: xxh3-64 (hex) of each recording that was encoded, in order; empty for text.
        modified_ns: When each recording had last been changed, in ns since 1970.
    """

    shard: int
    identity: str
    first_utterance: int
    checksums: tuple[str, ...]
    quarantined: dict[str, str]
    num_bytes: int
    file_digest: str
    recordings: tuple[str, ...] = ()
    modified_ns: tuple[int, ...] = ()

    def to_text(self) -> str:
        """Return the entry as JSON, after the xxh3-64 (hex) of that JSON and a space."""
        content = json.dumps(asdict(self), ensure_ascii=False)
        return f"{_digest(content)} {content}"

    def require_size(self, found: int | None, where: str) -> None:
        """Raise `CorruptStoreError` unless the shard's file has its size."""
        if found != self.num_bytes:
            got = "no file" if found is None else f"{found} bytes"
            raise _corrupt(where, f"{self.num_bytes} bytes", got)


def parse_entry(text: str, *, shard: int, identity: str, where: str) -> JournalEntry:
    """Parse an entry.

    Raises:
        CorruptStoreError: It is damaged, or belongs to another shard, feature or store.
    """
    digest, _, content = text.partition(" ")
    if _digest(content) != digest:
        raise _corrupt(where, f"an entry with digest {digest[:16]}", _digest(content))
    try:
        fields: dict[str, Any] = json.loads(content)
        tuples: dict[str, Any] = {k: tuple(v) for k, v in fields.items() if isinstance(v, list)}
        entry = JournalEntry(**fields | tuples)
    except (ValueError, TypeError, AttributeError) as error:
        raise _corrupt(where, "a journal entry", f"other text ({error})") from error
    if (entry.shard, entry.identity) != (shard, identity):
        raise _corrupt(
            where,
            f"the entry of shard {shard} of what has identity {identity[:12]}",
            f"that of shard {entry.shard} of {entry.identity[:12]}",
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


def _digest(content: str) -> str:
    return xxhash.xxh3_64_hexdigest(content.encode(errors="surrogateescape"))


def _corrupt(where: str, expected: str, got: str) -> CorruptStoreError:
    return CorruptStoreError(
        where,
        expected=expected,
        got=got,
        remedy="Run `tokser store repair`, then the same `tokser extract` again.",
    )
