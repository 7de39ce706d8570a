"""One feature of a store: what it is, and the rows of each utterance."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tokser.errors import (
    CorruptStoreError,
    QuarantinedError,
    StoreMismatchError,
    StoreNotSealedError,
    list_some,
)
from tokser.store.gather import Allocate, PaddedBatch, RaggedBatch, gather_padded, gather_ragged
from tokser.store.journal import JournalEntry, Record, Recording, checksum, parse_entry
from tokser.store.layout import Layout
from tokser.store.mapped import MappedShard, MappedShards, map_shard
from tokser.store.parts import Part
from tokser.store.schema import FeatureSpec, feature_identity

if TYPE_CHECKING:
    import pandas as pd

    from tokser.store.reader import Store

__all__ = ["Layer"]


class Layer:
    """One feature of a store: rows of `dim` numbers for each utterance.

    Attributes:
        name: Name in the store, for instance `whisper-base/layer-6`.
        kind: `speech`, `text`, `aligned` or `functionals`.
        key: Where its rows lie; another place than its name for a part that was added later.
    """

    def __init__(self, store: "Store", group: str, feature: str, part: Part | None = None) -> None:
        self._store, self._backend = store, store.backend
        self._group, self._feature, self._part = group, feature, part
        self._attributes = part.attributes if part else store.group(group)
        self.key = f"{part.path if part else group}/{feature}"
        self._mapped = MappedShards()
        self._committed: dict[int, JournalEntry] = {}
        self._unmappable: set[int] = set()
        self._whole: set[int] = set()  # positions whose mapped rows had their checksum
        self.name = f"{group}/{feature}"
        self.kind = self._attributes.kind

    def __repr__(self) -> str:
        return f"Layer({self.name!r}, {self.num_rows} x {self.dim} {self.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self._store).__getitem__, (self._store, self.name)

    @property
    def store_path(self) -> str:
        """Folder or URL of its store."""
        return self._store.path

    @property
    def spec(self) -> FeatureSpec:
        """Width, dtype and compression of the flat array."""
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
    def compression(self) -> str:
        """How the rows are packed; `none` where they can be mapped."""
        return self.spec.compression

    @property
    def num_bytes(self) -> int:
        """Bytes of its committed shards, as they lie on the disk."""
        return sum(entry.num_bytes for entry in self.entries if entry)

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the rows."""
        return self._attributes.provenance

    @cached_property
    def identity(self) -> str:
        """Digest of what the feature is: manifest, name, provenance, layout, dtype."""
        return self._store.identity(self.name)

    @cached_property
    def journal_identity(self) -> str:
        """Digest that the entries of its journal carry."""
        path = self.key.rpartition("/")[0]
        return feature_identity(self._store.attributes, path, self._feature, self._attributes)

    @cached_property
    def layout(self) -> Layout:
        """Where each utterance's rows lie; `CorruptStoreError` if its digest differs."""
        return self._part.layout if self._part else self._store.plain_layout(self._group)

    @property
    def parts(self) -> "list[Layer]":
        """The same feature by parts: itself, unless its group grew."""
        return [self]

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """Position in the table of each utterance of the layout; -1 of one that is no more."""
        return self._part.positions if self._part else np.arange(len(self.layout.row_lengths))

    def id_at(self, place: int) -> str:
        """Id of an utterance by its place in the layout."""
        position = int(self.positions[place])
        return self._store.ids[position] if position >= 0 else f"what was utterance {place}"

    @cached_property
    def entries(self) -> list[JournalEntry | None]:
        """The journal, an entry per shard; None where it is not committed."""
        texts = self._backend.read_journal(self.key, self.layout.num_shards)
        found = [self._parse(shard, text) for shard, text in enumerate(texts)]
        self._committed |= {shard: entry for shard, entry in enumerate(found) if entry}
        return found

    @property
    def outdated(self) -> NDArray[np.int64]:
        """Positions of utterances that it lacks, or has of an older version of the table."""
        return np.zeros(0, dtype=np.int64)

    @property
    def is_sealed(self) -> bool:
        """Whether every shard is in the journal, and every utterance in a shard as it is now."""
        return all(self.entries) and not len(self.outdated)

    def require_sealed(self) -> None:
        """Raise `StoreNotSealedError` unless `is_sealed`."""
        if len(self.outdated):
            raise self._outdated(self.outdated)
        missing = [shard for shard, entry in enumerate(self.entries) if entry is None]
        if missing:
            raise StoreNotSealedError(
                f"{self._store.path}, {self.name}",
                expected=f"{len(self.entries)} committed shards",
                got=f"{len(self.entries) - len(missing)} (missing: {list_some(missing)})",
                remedy="Run the same `tokser extract` again: it goes on where it stopped.",
            )

    def _outdated(self, positions: NDArray[np.int64]) -> StoreNotSealedError:
        again = {"functionals": "tokser pool", "aligned": "tokser align"}
        return StoreNotSealedError(
            f"{self._store.path}, {self.name}",
            expected=f"rows of version {self._store.version} of the utterance table",
            got=f"none of {list_some([self._store.ids[i] for i in positions.tolist()])}",
            remedy=f"Run the same `{again.get(self.kind, 'tokser extract')}` again: it computes "
            "what is new or changed.",
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
        return [name for name in self._store.ids if name not in self.quarantined]

    @cached_property
    def lengths(self) -> "pd.Series[int]":
        """Rows of each usable utterance, int64, index = id."""
        import pandas as pd

        index = pd.Index(self._store.ids, name="id")
        lengths = pd.Series(self.layout.row_lengths, index=index, name="num_rows")
        return lengths.loc[self.ids]

    @property
    def has_recordings(self) -> bool:
        """Whether its journal says what recordings were encoded."""
        return any(entry.recordings for entry in self.entries if entry)

    def records(self) -> dict[str, Record]:
        """Return what the journal says of each utterance that is committed, by id."""
        found: dict[str, Record] = {}
        for part in self.parts:
            for entry in filter(None, part.entries):
                for number, checksum_ in enumerate(entry.checksums):
                    place = entry.first_utterance + number
                    if part.positions[place] >= 0:
                        name = part.id_at(place)
                        recording = Recording("", 0)
                        if entry.recordings:
                            recording = Recording(
                                entry.recordings[number], entry.modified_ns[number]
                            )
                        reason = entry.quarantined.get(name)
                        found[name] = Record(checksum_, recording, reason)
        return found

    @property
    def num_rows(self) -> int:
        """Rows of all utterances together."""
        return int(self.layout.row_lengths.sum())

    def __getitem__(self, utterance: str) -> NDArray[Any]:
        """Return the rows of an utterance, [rows, dim]; read only, and no copy where it can be.

        Raises:
            SettingsError: The store has no such utterance.
            QuarantinedError: It was set aside at extraction.
            StoreNotSealedError: Its shard is not committed yet.
            CorruptStoreError: Its shard is missing or cut short; with `open_store(check=True)`
                also if a bit of it changed.
        """
        return self.rows_at(self._store.position(utterance))

    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a place of the layout, [rows, dim].

        Unless the group grew, that is its position in the table.
        """
        layout = self.layout
        shard = layout.shard_of.item(position)
        entry = self._committed.get(shard) or self._look_up(shard)
        if entry.quarantined:
            self._refuse_quarantined(entry, position)
        start, length = layout.row_starts.item(position), layout.row_lengths.item(position)
        mapped = self._mapped.get(shard)
        if mapped is None or not mapped.is_there():
            if mapped is not None:
                self._require_unchanged(shard, entry)
            mapped = self._map(shard, entry)
        if mapped is not None:
            first = start - shard * layout.rows_per_shard
            rows = mapped.rows[first : first + length]
        else:
            rows = self._backend.read_rows(self.key, start, start + length, self.spec, layout)
            if not rows.any():
                self._require_unchanged(shard, entry)  # what was removed is zeros
            rows.flags.writeable = False
        if self._store.check and (mapped is None or position not in self._whole):
            self._check(rows, entry, position)
            self._whole.add(position)
        return rows

    def batch(self, utterances: Sequence[str]) -> PaddedBatch:
        """Return utterances side by side, zeros after the last row; raises as `layer[id]`."""
        return gather_padded(*self._gather_arguments(utterances), at_once=self._waits)

    def ragged(self, utterances: Sequence[str], allocate: Allocate = np.empty) -> RaggedBatch:
        """Return utterances one after the other; raises as `layer[id]`.

        Args:
            utterances: Ids.
            allocate: Makes the array from shape and dtype.
        """
        arguments = self._gather_arguments(utterances)
        return gather_ragged(*arguments, at_once=self._waits, allocate=allocate)

    def functionals(self) -> "pd.DataFrame":
        """Return mean then standard deviation over rows, float32 [utterances, 2*dim].

        Raises:
            StoreNotSealedError: The feature has not been pooled.
        """
        return self._store.functionals(self.name)

    @property
    def _made_by(self) -> str:
        """Command that computes its rows."""
        made_by = {
            "functionals": "`tokser pool` (or `extract --functionals-only`)",
            "aligned": "`tokser align`",
        }
        return made_by.get(self.kind, "`tokser extract`")

    @property
    def _waits(self) -> bool:
        """Whether a read waits for a library or a network, so that several at once pay."""
        return self._backend.objects.local_path("") is None

    @property
    def _empty(self) -> NDArray[Any]:
        return np.empty((0, *self.spec.row_shape), dtype=self.spec.dtype)

    def _gather_arguments(self, utterances: Sequence[str]) -> tuple[Any, ...]:
        positions = [self._store.position(name) for name in utterances]
        return self.rows_at, positions, self.layout.row_lengths[positions], self._empty

    def _parse(self, shard: int, text: str) -> JournalEntry | None:
        if not text:
            return None
        where = f"{self._store.path}, {self.key}, shard {shard}"
        return parse_entry(text, shard=shard, identity=self.journal_identity, where=where)

    def _look_up(self, shard: int) -> JournalEntry:
        """Read a shard's entry, which may have been committed since the journal was read."""
        entry = self._parse(shard, self._backend.read_entry(self.key, shard))
        if entry is None or "entries" in self.__dict__:
            self.__dict__.pop("entries", None)  # what they say is out of date
            self.__dict__.pop("quarantined", None)
        if entry is None:
            self.require_sealed()
            return self._look_up(shard)  # committed between the two looks
        self._committed[shard] = entry
        return entry

    def _map(self, shard: int, entry: JournalEntry) -> MappedShard | None:
        """Map a shard after a look at its size; None where only the library can read it."""
        key = self._backend.shard_key(self.key, shard, self.spec)
        where = f"{self._store.path}, {self.key}, shard {shard}"
        size = self._backend.objects.size(key)
        if size != entry.num_bytes and self._store.has_changed():
            self._require_unchanged(shard, entry)
        entry.require_size(size, where)
        if shard in self._unmappable or not MappedShards.have_room():
            return None
        raw = self._backend.raw_shard(self.key, shard, self.spec, self.layout)
        if raw is None:
            self._unmappable.add(shard)
            return None
        first, after = self.layout.shard_rows(shard)
        mapped = map_shard(raw, (after - first, *self.spec.row_shape), self.spec.dtype)
        self._mapped.keep(shard, mapped)
        self._whole.difference_update(range(*self.layout.shard_utterances(shard)))
        return mapped

    def _require_unchanged(self, shard: int, entry: JournalEntry) -> None:
        """Raise if a shard was written anew with other rows since its entry was read.

        Raises:
            StoreMismatchError: Utterances were removed, or the feature was.
        """
        text = self._backend.read_entry(self.key, shard)
        now = self._parse(shard, text)
        if now is None or now.checksums != entry.checksums:
            raise StoreMismatchError(
                f"{self._store.path}, {self.name}",
                expected="the store as it was when it was opened",
                got="one from which something was removed since",
                remedy="Open it again.",
            )

    def _refuse_quarantined(self, entry: JournalEntry, position: int) -> None:
        utterance = self.id_at(position)
        if utterance in entry.quarantined:
            raise QuarantinedError(
                f"{self._store.path}, {self.name}, {utterance}",
                expected="a usable utterance",
                got=f"one in quarantine: {entry.quarantined[utterance]}",
                remedy="Mend the recording and extract again, or leave the utterance out.",
            )

    def _check(self, rows: NDArray[Any], entry: JournalEntry, position: int) -> None:
        wanted = entry.checksums[position - entry.first_utterance]
        found = checksum(np.ascontiguousarray(rows))
        if found != wanted:
            raise CorruptStoreError(
                f"{self._store.path}, {self.name}, {self.id_at(position)}",
                expected=f"rows with checksum {wanted} as in the journal",
                got=found,
                remedy=f"Run `tokser store repair`, then the same {self._made_by} again.",
            )
