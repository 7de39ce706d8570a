"""A feature whose rows are looked up in a table, such as word embeddings."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.errors import CorruptStoreError, list_some
from tokser.store.journal import JournalEntry, checksum
from tokser.store.layer import Layer
from tokser.store.schema import LookupSpec

__all__ = ["LookupLayer", "table_checksum"]


class LookupLayer(Layer):
    """A feature stored as a table of distinct rows and the integers that choose among them."""

    @property
    def lookup(self) -> LookupSpec:
        """Width and dtype of the table, and what chooses its rows."""
        return self._attributes.lookups[self._feature]

    @property
    def dim(self) -> int:
        """Numbers in a row."""
        return self.lookup.dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        return np.dtype(self.lookup.dtype)

    @cached_property
    def keys_and_table(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The distinct integers, int32 [keys], and their rows, [keys, dim].

        They are always held against their checksum: a library reads zeros for a lost file.
        """
        keys, table = self._backend.read_lookup(self.name, self.lookup.place)
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

    @property
    def compression(self) -> str:
        """Tables are not packed."""
        return "none"

    @property
    def num_bytes(self) -> int:
        """Bytes of the table."""
        return sum(part.nbytes for part in self.keys_and_table)

    @property
    def _integers(self) -> Layer:
        return self._store[f"{self._group}/{self.lookup.ids}"]

    @property
    def entries(self) -> list[JournalEntry | None]:
        """The journal of the integers."""
        return self._integers.entries

    @property
    def layout(self) -> Any:
        """Where the integers of each utterance lie."""
        return self._integers.layout

    @property
    def outdated(self) -> NDArray[np.int64]:
        """Positions of utterances that the integers lack."""
        return self._integers.outdated

    @property
    def quarantined(self) -> dict[str, str]:
        """Reasons, by id, of the utterances that were set aside."""
        return self._integers.quarantined

    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a position of the manifest, [rows, dim]."""
        return self.look_up(self._integers.rows_at(position))

    @property
    def _empty(self) -> NDArray[Any]:
        return np.empty((0, self.dim), dtype=self.dtype)


def table_checksum(keys: NDArray[Any], table: NDArray[Any]) -> str:
    """Return the xxh3-64 (hex) of the keys' bytes followed by the table's."""
    parts = [np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in (keys, table)]
    return checksum(np.concatenate(parts))
