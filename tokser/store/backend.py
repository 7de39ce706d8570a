"""What a file format must do to hold a store, and which formats there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tokser.store.layout import Layout
from tokser.store.objects import Objects
from tokser.store.schema import Compression, FeatureSpec

__all__ = ["Backend", "Digests", "RawShard", "WrittenShard"]

Digests = dict[str, str]
"""xxh3-64 (hex) of small files, by key."""


@dataclass(frozen=True)
class RawShard:
    """Rows that lie in a file as they are, one after the other."""

    path: Path
    offset: int
    """Byte of the first row."""


@dataclass(frozen=True)
class WrittenShard:
    """A shard's file, for its journal entry."""

    num_bytes: int
    digest: str
    """xxh3-64 (hex) of the file."""


class Backend(Protocol):
    """Raw reads and writes of one store; knows keys and bytes, not what they mean.

    A group is addressed by its name, `""` is the root; a feature by `group/name`. Every write is
    whole or not at all, and on the disk when the call returns. Small files are returned with
    their digests, for the documents of the root and of the groups.
    """

    name: ClassVar[str]
    compressions: ClassVar[tuple[Compression, ...]]

    @property
    def objects(self) -> Objects:
        """Where the bytes lie."""

    @property
    def address(self) -> str:
        """Folder or URL of the store."""

    def write_manifest(self, manifest: str, ids: Sequence[str], version: int = 1) -> Digests:
        """Write a version of the manifest's CSV text, and of the ids in store order."""

    def read_document(self, group: str) -> dict[str, Any]:
        """Read what the root or a group says about itself."""

    def write_document(self, group: str, document: dict[str, Any]) -> None:
        """Replace what the root or a group says about itself."""

    def manifest_text(self, version: int = 1) -> str:
        """Read the manifest's CSV text."""

    def ids(self, version: int = 1) -> list[str]:
        """Read the ids of the utterances, in store order."""

    def write_layout(
        self, group: str, layout: Layout, numbers: NDArray[np.int64] | None = None
    ) -> Digests:
        """Write where each utterance's rows lie, and the numbers of the utterances, if given."""

    def read_numbers(self, group: str) -> NDArray[np.int64]:
        """Read the number of each utterance of a layout, int64 [utterances]."""

    def read_layout(self, group: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Read first row and number of rows of each utterance, int64 [utterances]."""

    def describe_feature(self, feature: str, spec: FeatureSpec, layout: Layout) -> Digests:
        """Write what readers of the format must know of a feature before its shards."""

    def write_shard(
        self, feature: str, shard: int, rows: NDArray[Any], spec: FeatureSpec, layout: Layout
    ) -> WrittenShard:
        """Write one whole shard, [rows, dim]."""

    def shard_key(self, feature: str, shard: int, spec: FeatureSpec) -> str:
        """Key of a shard's file among the objects."""

    def raw_shard(
        self, feature: str, shard: int, spec: FeatureSpec, layout: Layout
    ) -> RawShard | None:
        """Say where a shard's rows can be mapped, None where only the library can read them."""

    def raw_index(self, shard: int, spec: FeatureSpec, layout: Layout) -> bytes | None:
        """Return what a shard's file ends in if its rows lie at its start, in order.

        None where that cannot be told from a file's end.
        """

    def read_rows(
        self, feature: str, first: int, after: int, spec: FeatureSpec, layout: Layout
    ) -> NDArray[Any]:
        """Read rows of one shard through the format's library; `CorruptStoreError` if it fails."""

    def read_journal(self, feature: str, num_shards: int) -> list[str]:
        """Read the journal's texts, one per shard; empty where a shard is not committed."""

    def read_entry(self, feature: str, shard: int) -> str:
        """Read one shard's text, empty if it is not committed."""

    def write_entry(self, feature: str, shard: int, text: str) -> None:
        """Write one shard's text: from now on the shard counts."""

    def drop_entry(self, feature: str, shard: int) -> None:
        """Take a shard out of the journal: from now on it does not count."""

    def put_lookup(
        self, feature: str, arrays: Mapping[str, NDArray[Any]], place: int = 0
    ) -> Digests:
        """Write the key and table arrays of a lookup feature beside those of other places."""

    def read_lookup(self, feature: str, place: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
        """Read the keys, int32 [keys], and the table, [keys, dim], of a lookup feature."""

    def delete_lookup(self, feature: str, place: int) -> None:
        """Remove the arrays of a lookup feature at one place."""
