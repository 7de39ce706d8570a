"""A feature whose rows are looked up in a table, such as word embeddings."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.errors import CorruptStoreError, list_some
from tokser.store.catalogue import Catalogue
from tokser.store.feature_name import FeatureName
from tokser.store.gather import Read
from tokser.store.journal import JournalEntry, Record, checksum
from tokser.store.layer import Layer
from tokser.store.layout import Layout, PartedLayout
from tokser.store.schema import FeatureSpec, LookupSpec

__all__ = ["LookupLayer", "table_checksum"]


class LookupLayer(Layer):
    """A feature stored as a table of distinct rows, and integers that index it.

    Attributes:
        integers: The feature whose values stand for rows of the table, for instance token ids.
            Shards, journal and quarantine are its.
    """

    def __init__(self, store: Catalogue, name: FeatureName, integers: Layer) -> None:
        super().__init__(store, name)
        self.integers = integers

    @property
    def lookup(self) -> LookupSpec:
        """Width and dtype of the table, and what indexes it."""
        return self._attributes.lookups[self._name.array]

    @property
    def spec(self) -> FeatureSpec:
        """Width and type of a row of the table; tables are not packed."""
        return FeatureSpec(dim=self.lookup.dim, dtype=self.lookup.dtype)

    @property
    def num_bytes(self) -> int:
        """Bytes of the table."""
        return sum(part.nbytes for part in self.keys_and_table)

    @property
    def layout(self) -> Layout | PartedLayout:
        """Where the integers of each utterance lie."""
        return self.integers.layout

    @property
    def entries(self) -> list[JournalEntry | None]:
        """The journal of the integers."""
        return self.integers.entries

    @property
    def outdated(self) -> NDArray[np.int64]:
        """Positions of utterances that the integers lack."""
        return self.integers.outdated

    @property
    def quarantined(self) -> dict[str, str]:
        """Reasons, by id, of the utterances in quarantine."""
        return self.integers.quarantined

    def records(self) -> dict[str, Record]:
        """Return what the journal says of the integers of each utterance, by id."""
        return self.integers.records()

    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a position of the table, [rows, dim], read only."""
        return self.look_up(self.integers.rows_at(position))

    def reader_of(self, positions: Sequence[int]) -> Read:
        """Request the integers of the utterances at some positions, and return what reads rows."""
        read = self.integers.reader_of(positions)
        return lambda position: self.look_up(read(position))

    @cached_property
    def keys_and_table(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The distinct integers, int32 [keys], and their rows, [keys, dim].

        Their checksum is always verified: a library reads zeros for a lost file.
        """
        keys, table = self._store.backend.read_lookup(self.name, self.lookup.place)
        found = table_checksum(keys, table)
        if found != self.lookup.checksum:
            raise self._damaged(f"a table with checksum {self.lookup.checksum}", found)
        return keys, table

    def look_up(self, integers: NDArray[Any]) -> NDArray[Any]:
        """Return the rows [integers, dim] that integers stand for, read only."""
        keys, table = self.keys_and_table
        places = np.minimum(np.searchsorted(keys, integers), len(keys) - 1)
        unknown = integers[keys[places] != integers]
        if len(unknown):
            raise self._damaged(
                "a row for every integer", f"none for {list_some(unknown.tolist())}"
            )
        rows: NDArray[Any] = table[places]
        rows.flags.writeable = False
        return rows

    def _damaged(self, expected: str, got: str) -> CorruptStoreError:
        return CorruptStoreError(
            f"{self._store.path}, {self.name}",
            expected=expected,
            got=got,
            remedy="Run `tokser store repair`, then the same `tokser extract` again.",
        )


def table_checksum(keys: NDArray[Any], table: NDArray[Any]) -> str:
    """Return the xxh3-64 (hex) of the keys' bytes followed by the table's."""
    parts = [np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in (keys, table)]
    return checksum(np.concatenate(parts))
