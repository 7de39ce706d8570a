"""One feature of a store: what it is, and the rows of each utterance."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.errors import (
    CorruptStoreError,
    QuarantinedError,
    SettingsError,
    StoreNotSealedError,
    list_some,
)
from tokser.store.journal import JournalEntry, layout_digest, parse_entry
from tokser.store.layout import Layout
from tokser.store.schema import FUNCTIONALS, FeatureSpec, LookupSpec

if TYPE_CHECKING:
    from tokser.store.reader import Store

__all__ = ["Layer", "LookupLayer"]


class Layer:
    """One feature of a store: rows of `dim` numbers for each utterance.

    Attributes:
        name: Name in the store, for instance `whisper-base/layer-6`.
        kind: `speech`, `text`, `aligned` or `functionals`.
    """

    def __init__(self, store: "Store", group: str, feature: str) -> None:
        self._store, self._backend = store, store.backend
        self._group, self._feature = group, feature
        self._attributes = store.group(group)
        self.name = f"{group}/{feature}"
        self.kind = self._attributes.kind

    def __repr__(self) -> str:
        return f"Layer({self.name!r}, {self.num_rows} x {self.dim} {self.dtype})"

    @property
    def spec(self) -> FeatureSpec:
        """Width and dtype of the flat array."""
        return self._attributes.features[self._feature]

    @property
    def dim(self) -> int:
        """Numbers in a row."""
        return self.spec.dim or 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        return np.dtype(self.spec.dtype)

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the rows."""
        return self._attributes.provenance

    @cached_property
    def layout(self) -> Layout:
        """Where each utterance's rows lie; `CorruptStoreError` if its digest differs."""
        layout = self._backend.read_layout(self._group, self._attributes)
        found = layout_digest(layout)
        if found != self._attributes.layout_digest:
            raise CorruptStoreError(
                f"{self._store.path}, {self._group}",
                expected=f"a layout with digest {self._attributes.layout_digest}",
                got=found,
                remedy="row_starts or row_lengths are damaged: extract this store again.",
            )
        return layout

    @cached_property
    def entries(self) -> tuple[JournalEntry | None, ...]:
        """The journal, an entry per shard; None where it is not committed."""
        return tuple(
            parse_entry(
                text,
                shard=shard,
                layout=self._attributes.layout_digest,
                where=f"{self._store.path}, {self.name}, shard {shard}",
            )
            if text
            else None
            for shard, text in enumerate(self._backend.journal(self.name))
        )

    @property
    def is_sealed(self) -> bool:
        """Whether every shard is in the journal."""
        return all(self.entries)

    def require_sealed(self) -> None:
        """Raise `StoreNotSealedError` unless every shard is in the journal."""
        missing = [shard for shard, entry in enumerate(self.entries) if entry is None]
        if missing:
            raise StoreNotSealedError(
                f"{self._store.path}, {self.name}",
                expected=f"{len(self.entries)} committed shards",
                got=f"{len(self.entries) - len(missing)} (missing: {list_some(missing)})",
                remedy="Run the same `tokser extract` again: it goes on where it stopped.",
            )

    @cached_property
    def quarantined(self) -> dict[str, str]:
        """Reasons, by id, of the utterances that were set aside."""
        return {
            utterance: reason
            for entry in self.entries
            if entry
            for utterance, reason in entry.quarantined.items()
        }

    @cached_property
    def ids(self) -> list[str]:
        """Usable utterances, in store order; `StoreNotSealedError` if any is missing yet."""
        self.require_sealed()
        return [name for name in self._store.utterances.index if name not in self.quarantined]

    @cached_property
    def lengths(self) -> "pd.Series[int]":
        """Rows of each usable utterance, int64, index = id."""
        lengths = pd.Series(
            self.layout.row_lengths, index=self._store.utterances.index, name="num_rows"
        )
        return lengths.loc[self.ids]

    @property
    def num_rows(self) -> int:
        """Rows of all utterances together."""
        return int(self.layout.row_lengths.sum())

    def __getitem__(self, utterance: str) -> NDArray[Any]:
        """Return the rows of an utterance, [rows, dim].

        Raises:
            KeyError: The store has no such utterance.
            QuarantinedError: It was set aside at extraction.
            StoreNotSealedError: Its shard is not committed yet.
            CorruptStoreError: Its shard is missing or cut short.
        """
        return self.rows_at(self._position(utterance))

    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a position of the manifest, [rows, dim]."""
        layout = self.layout
        shard = int(layout.shard_of[position])
        utterance = str(self._store.utterances.index[position])
        self._check_shard(shard, utterance)
        start, length = int(layout.row_starts[position]), int(layout.row_lengths[position])
        rows = self._backend.read_rows(self.name, start, start + length)
        rows.flags.writeable = False
        return rows

    def functionals(self) -> pd.DataFrame:
        """Return mean then standard deviation over rows, float32 [utterances, 2*dim].

        Raises:
            StoreNotSealedError: The feature has not been pooled.
        """
        name = f"{FUNCTIONALS}/{self.name}"
        if name not in self._store:
            raise StoreNotSealedError(
                f"{self._store.path}, {self.name}",
                expected="functionals",
                got="none",
                remedy=f"Run `tokser pool --store {self._store.path}`.",
            )
        pooled = self._store[name]
        keep = self._store.utterances.index.get_indexer(pd.Index(pooled.ids))
        rows = self._backend.read_rows(name, 0, pooled.layout.num_rows)
        values = rows[pooled.layout.row_starts[keep]]
        columns = [f"{moment}_{i}" for moment in ("mean", "std") for i in range(self.dim)]
        return pd.DataFrame(values, index=pd.Index(pooled.ids, name="id"), columns=columns)

    def _position(self, utterance: str) -> int:
        try:
            return int(self._store.utterances.index.get_loc(utterance))
        except KeyError:
            raise SettingsError(
                f"{self._store.path}, {self.name}",
                expected="the id of an utterance in the store",
                got=repr(utterance),
                remedy="`store.utterances.index` lists the ids.",
            ) from None

    def _check_shard(self, shard: int, utterance: str) -> None:
        entry = self.entries[shard]
        if entry is None:
            self.require_sealed()
            return
        where = f"{self._store.path}, {self.name}, {utterance}"
        if utterance in entry.quarantined:
            raise QuarantinedError(
                where,
                expected="a usable utterance",
                got=f"one in quarantine: {entry.quarantined[utterance]}",
                remedy="Mend the recording and extract again, or leave the utterance out.",
            )
        num_axes = 1 if self.spec.dim is None else 2
        found = self._backend.shard_bytes(self.name, shard, num_axes)
        if found != entry.num_bytes:
            raise CorruptStoreError(
                where,
                expected=f"shard {shard} of {entry.num_bytes} bytes",
                got="no file" if found is None else f"{found} bytes",
                remedy="Run `tokser store verify` to see what is damaged.",
            )


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
        """The distinct integers, int32 [keys], and their rows, [keys, dim]."""
        return self._backend.read_lookup(self._group, self._feature)

    @cached_property
    def _ids_layer(self) -> Layer:
        return Layer(self._store, self._group, self.lookup.ids)

    @cached_property
    def entries(self) -> tuple[JournalEntry | None, ...]:
        """The journal of the integers."""
        return self._ids_layer.entries

    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a position of the manifest, [rows, dim]."""
        keys, table = self.keys_and_table
        rows: NDArray[Any] = table[np.searchsorted(keys, self._ids_layer.rows_at(position))]
        rows.flags.writeable = False
        return rows
