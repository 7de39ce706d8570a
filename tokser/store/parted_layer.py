"""A feature of a group that grew by parts."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.store.catalogue import Catalogue
from tokser.store.feature_name import FeatureName
from tokser.store.gather import Read
from tokser.store.journal import JournalEntry, Record
from tokser.store.layer import Layer
from tokser.store.layout import Layout, PartedLayout
from tokser.store.remote_layer import stored_layer
from tokser.store.schema import FeatureSpec
from tokser.store.stored_layer import StoredLayer

__all__ = ["PartedLayer", "stored_parts"]


class PartedLayer(Layer):
    """A feature of a group that grew: rows of an utterance lie in the last part that has it.

    Attributes:
        parts: The feature by parts, oldest first.
    """

    def __init__(self, store: Catalogue, name: FeatureName) -> None:
        super().__init__(store, name)
        self.parts = [stored_layer(store, name, part) for part in store.parts(name.group_key)]

    @property
    def spec(self) -> FeatureSpec:
        """Width, dtype and compression of the flat arrays."""
        return self.parts[0].spec

    @property
    def num_bytes(self) -> int:
        """Bytes of the committed shards of all parts, as they lie on the disk."""
        return sum(part.num_bytes for part in self.parts)

    @cached_property
    def layout(self) -> Layout | PartedLayout:
        """Which shard and part each utterance lies in."""
        return self._parted

    @cached_property
    def _parted(self) -> PartedLayout:
        pairs = [(part.layout, part.positions) for part in self.parts]
        return PartedLayout(pairs, self._store.attributes.num_utterances)

    @cached_property
    def outdated(self) -> NDArray[np.int64]:
        """Positions of utterances that it lacks, or has of an older version of the table."""
        return self._store.outdated(self._name.group_key)

    @property
    def entries(self) -> list[JournalEntry | None]:
        """The journals of all parts, one after the other."""
        return [entry for part in self.parts for entry in part.entries]

    @property
    def quarantined(self) -> dict[str, str]:
        """Reasons, by id, of the utterances in quarantine, each by its last part."""
        return {
            utterance: reason
            for number, part in enumerate(self.parts)
            for utterance, reason in part.quarantined.items()
            if self._parted.part_of[self._store.position(utterance)] == number
        }

    def records(self) -> dict[str, Record]:
        """Return what the journal says of each utterance that is committed, by id."""
        return {name: record for part in self.parts for name, record in part.records().items()}

    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a position of the table, [rows, dim], read only."""
        number, place = self._usable_place_of(position)
        return self.parts[number].rows_at(place)

    def reader_of(self, positions: Sequence[int]) -> Read:
        """Request the utterances at some positions from each part, and return what reads them."""
        places: dict[int, list[int]] = {}
        for number, place in map(self._usable_place_of, positions):
            places.setdefault(number, []).append(place)
        readers = {number: self.parts[number].reader_of(own) for number, own in places.items()}

        def read(position: int) -> NDArray[Any]:
            number, place = self.place_of(position)
            return readers[number](place)

        return read

    def place_of(self, position: int) -> tuple[int, int]:
        """Return the part of the utterance at a position of the table, and its place there."""
        return self._parted.part_of.item(position), self._parted.place_of.item(position)

    def _usable_place_of(self, position: int) -> tuple[int, int]:
        number, place = self.place_of(position)
        if number < 0 or position in self._is_outdated:
            raise self._outdated_error(np.array([position]))
        return number, place

    def locate(self, shard: int) -> tuple[StoredLayer, int]:
        """Return the part that a shard belongs to, and the shard's number there."""
        number, local = self._parted.locate(shard)
        return self.parts[number], local

    @cached_property
    def _is_outdated(self) -> frozenset[int]:
        return frozenset(self.outdated.tolist())


def stored_parts(layer: Layer) -> list[StoredLayer]:
    """Return the flat arrays that a feature's rows lie in; none of a lookup."""
    if isinstance(layer, StoredLayer):
        return [layer]
    return layer.parts if isinstance(layer, PartedLayer) else []
