"""A feature of a group that grew by parts."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.store.journal import JournalEntry
from tokser.store.layer import Layer

__all__ = ["PartedLayer"]


class PartedLayer(Layer):
    """A feature of a group that grew: rows of an utterance lie in the last part that has it."""

    @cached_property
    def parts(self) -> list[Layer]:
        """The feature by parts, oldest first."""
        return [
            Layer(self._store, self._group, self._feature, part)
            for part in self._store.parts(self._group)
        ]

    @cached_property
    def layout(self) -> Any:
        """Which shard and part each utterance lies in, a `PartedLayout`."""
        return self._store.layout(self._group)

    @cached_property
    def outdated(self) -> NDArray[np.int64]:
        """Positions of utterances that it lacks, or has of an older version of the table."""
        return self._store.outdated(self._group)

    @property
    def entries(self) -> list[JournalEntry | None]:
        """The journals of all parts, one after the other."""
        return [entry for part in self.parts for entry in part.entries]

    @property
    def quarantined(self) -> dict[str, str]:
        """Reasons, by id, of the utterances that were set aside, each by its last part."""
        return {
            utterance: reason
            for number, part in enumerate(self.parts)
            for utterance, reason in part.quarantined.items()
            if self.layout.part_of[self._store.position(utterance)] == number
        }

    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a position of the table, [rows, dim]."""
        number: int = self.layout.part_of.item(position)
        if number < 0 or position in self._is_outdated:
            raise self._outdated(np.array([position]))
        place: int = self.layout.place_of.item(position)
        return self.parts[number].rows_at(place)

    @cached_property
    def _is_outdated(self) -> frozenset[int]:
        return frozenset(self.outdated.tolist())
