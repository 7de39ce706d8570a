"""A feature that is one flat array, or one part of a feature that grew: journal, maps, reads."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.errors import CorruptStoreError, QuarantinedError, StoreMismatchError
from tokser.store.catalogue import Catalogue
from tokser.store.feature_name import FeatureName
from tokser.store.gather import Read
from tokser.store.journal import JournalEntry, Record, Recording, checksum, parse_entry
from tokser.store.layer import MADE_BY, Layer
from tokser.store.layout import Layout
from tokser.store.mapped import READS_AHEAD, MappedShard, MappedShards, map_shard
from tokser.store.parts import Part
from tokser.store.schema import FeatureSpec, GroupAttributes, feature_identity

__all__ = ["StoredLayer"]

_SAMPLED = 4
"""Of the utterances that are read together, one in so many is looked for in memory."""


class StoredLayer(Layer):
    """Rows in one flat array, in shards.

    Attributes:
        key: Where its rows lie; another place than its name for a part that was added later.
        backend: Raw reads.
    """

    def __init__(self, store: Catalogue, name: FeatureName, part: Part | None = None) -> None:
        self._part = part
        super().__init__(store, name)
        self.backend = store.backend
        self.key = f"{part.path}/{name.array}" if part else self.name
        self._mapped = MappedShards()
        self._committed: dict[int, JournalEntry] = {}
        self._unmappable: set[int] = set()
        self._checked: set[int] = set()  # positions whose mapped rows were checked

    @property
    def _attributes(self) -> GroupAttributes:
        return self._part.attributes if self._part else super()._attributes

    @property
    def spec(self) -> FeatureSpec:
        """Width, dtype and compression of the flat array."""
        return self._attributes.features[self._name.array]

    @property
    def num_bytes(self) -> int:
        """Bytes of its committed shards, as they lie on the disk."""
        return sum(entry.num_bytes for entry in self.entries if entry)

    @cached_property
    def journal_identity(self) -> str:
        """Digest that the entries of its journal carry."""
        place = self._part.path if self._part else self._name.place
        about = self._attributes
        return feature_identity(self._store.attributes, place, self._name.array, about)

    @cached_property
    def layout(self) -> Layout:
        """Where each utterance's rows lie; `CorruptStoreError` if its digest differs."""
        return self._part.layout if self._part else self._store.plain_layout(self._name.group_key)

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
        texts = self.backend.read_journal(self.key, self.layout.num_shards)
        found = [self._parse(shard, text) for shard, text in enumerate(texts)]
        self._committed |= {shard: entry for shard, entry in enumerate(found) if entry}
        return found

    @property
    def outdated(self) -> NDArray[np.int64]:
        """None: it has the rows of every utterance, or is a part, which lacks none of its own."""
        return np.zeros(0, dtype=np.int64)

    @cached_property
    def quarantined(self) -> dict[str, str]:
        """Reasons, by id, of the utterances in quarantine."""
        return {
            utterance: reason
            for entry in self.entries
            if entry
            for utterance, reason in entry.quarantined.items()
        }

    def records(self) -> dict[str, Record]:
        """Return what the journal says of each utterance that is committed, by id."""
        found: dict[str, Record] = {}
        for entry in filter(None, self.entries):
            for number, checksum_ in enumerate(entry.checksums):
                place = entry.first_utterance + number
                if self.positions[place] >= 0:
                    name, recording = self.id_at(place), Recording("", 0)
                    if entry.recordings:
                        recording = Recording(entry.recordings[number], entry.modified_ns[number])
                    found[name] = Record(checksum_, recording, entry.quarantined.get(name))
        return found

    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a place of the layout, [rows, dim], read only.

        Of a feature that is no part, that is its position in the table.
        """
        layout = self.layout
        shard = layout.shard_of.item(position)
        entry = self._committed.get(shard) or self._look_up(shard)
        if entry.quarantined:
            self._refuse_quarantined(entry, position)
        mapped = self._mapped.get(shard)
        if mapped is None or not mapped.is_there():
            if mapped is not None:
                self._require_unchanged(shard, entry)
            mapped = self._map(shard, entry)
        start, length = layout.row_starts.item(position), layout.row_lengths.item(position)
        if mapped is not None:
            first = start - shard * layout.rows_per_shard
            rows = mapped.rows[first : first + length]
        else:
            rows = self.backend.read_rows(self.key, start, start + length, self.spec, layout)
            if not rows.any():
                self._require_unchanged(shard, entry)  # what was removed is zeros
            rows.flags.writeable = False
        if self._store.check and (mapped is None or position not in self._checked):
            self._check(rows, entry, position)
            self._checked.add(position)
        return rows

    def reader_of(self, positions: Sequence[int]) -> Read:
        """Let the disk bring what of some utterances is not in memory; return `rows_at`."""
        can_be_mapped = READS_AHEAD and self.compression == "none"
        if can_be_mapped and not self._are_in_memory(positions[::_SAMPLED]):
            for position in positions:
                mapped, first, after = self._place(position)
                if mapped is not None and after > first:
                    mapped.read_ahead(first, after)
        return self.rows_at

    def _are_in_memory(self, positions: Sequence[int]) -> bool:
        """Tell whether rows are in memory, by the last row of each utterance."""
        for position in positions:
            if self.layout.shard_of.item(position) not in self._mapped:
                return False
            mapped, _, after = self._place(position)
            if mapped is not None and not mapped.holds(after - 1):
                return False
        return True

    def _place(self, position: int) -> tuple[MappedShard | None, int, int]:
        """Return the mapped shard of an utterance, and its rows there, first and after the last."""
        layout = self.layout
        shard = layout.shard_of.item(position)
        mapped = self._mapped.get(shard)
        if mapped is None:
            mapped = self._map(shard, self._committed.get(shard) or self._look_up(shard))
        first = layout.row_starts.item(position) - shard * layout.rows_per_shard
        return mapped, first, first + layout.row_lengths.item(position)

    def _parse(self, shard: int, text: str) -> JournalEntry | None:
        if not text:
            return None
        where = f"{self._store.path}, {self.key}, shard {shard}"
        return parse_entry(text, shard=shard, identity=self.journal_identity, where=where)

    def _look_up(self, shard: int) -> JournalEntry:
        """Read a shard's entry, which may have been committed since the journal was read."""
        entry = self._parse(shard, self.backend.read_entry(self.key, shard))
        if entry is None or "entries" in self.__dict__:
            self.__dict__.pop("entries", None)  # what they say is out of date
            self.__dict__.pop("quarantined", None)
        if entry is None:
            self.require_complete()
            return self._look_up(shard)  # committed between the two reads
        self._committed[shard] = entry
        return entry

    def _map(self, shard: int, entry: JournalEntry) -> MappedShard | None:
        """Map a shard after a check of its size; None where only the library can read it."""
        key = self.backend.shard_key(self.key, shard, self.spec)
        self._require_size(shard, entry, self.backend.objects.size(key))
        if shard in self._unmappable or not MappedShards.have_room():
            return None
        raw = self.backend.raw_shard(self.key, shard, self.spec, self.layout)
        if raw is None:
            self._unmappable.add(shard)
            return None
        first, after = self.layout.shard_rows(shard)
        mapped = map_shard(raw, (after - first, *self.spec.row_shape), self.spec.dtype)
        self._mapped.keep(shard, mapped)
        self._checked.difference_update(range(*self.layout.shard_utterances(shard)))
        return mapped

    def _require_size(self, shard: int, entry: JournalEntry, size: int | None) -> None:
        if size != entry.num_bytes and self._store.has_changed():
            self._require_unchanged(shard, entry)
        entry.require_size(size, f"{self._store.path}, {self.key}, shard {shard}")

    def _require_unchanged(self, shard: int, entry: JournalEntry) -> None:
        """Raise if a shard was written again with other rows since its entry was read.

        Raises:
            StoreMismatchError: Utterances were removed, or the feature was.
        """
        text = self.backend.read_entry(self.key, shard)
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
                remedy="Fix the recording and extract again, or leave the utterance out.",
            )

    def _check(self, rows: NDArray[Any], entry: JournalEntry, position: int) -> None:
        wanted = entry.checksums[position - entry.first_utterance]
        found = checksum(np.ascontiguousarray(rows))
        if found != wanted:
            made_by = MADE_BY.get(self.kind, "`tokser extract`")
            raise CorruptStoreError(
                f"{self._store.path}, {self.name}, {self.id_at(position)}",
                expected=f"rows with checksum {wanted} as in the journal",
                got=found,
                remedy=f"Run `tokser store repair`, then the same {made_by} again.",
            )
