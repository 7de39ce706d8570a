"""A feature at a URL: utterances that lie close to each other come in one request."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from tokser.store.byte_runs import join_ranges
from tokser.store.catalogue import Catalogue
from tokser.store.feature_name import FeatureName
from tokser.store.gather import Read
from tokser.store.journal import JournalEntry
from tokser.store.parts import Part
from tokser.store.stored_layer import StoredLayer

if TYPE_CHECKING:
    from tokser.store.remote_objects import RemoteObjects

__all__ = ["RemoteLayer", "stored_layer"]

_READERS = 8
"""Utterances decoded at the same time where only a library can."""


class _Request(NamedTuple):
    """Bytes of a shard, and the utterances whose rows lie in them; none: it is the index."""

    shard: int
    first: int
    after: int
    positions: list[int]


class RemoteLayer(StoredLayer):
    """Rows in shards on an object store or a web server.

    Rows that are not packed are read as they lie, in runs of bytes, several at the same time. That
    they lie in order is checked once for each shard, together with its first rows; its size, with
    every answer. Others are read by the format's library.
    """

    def __init__(self, store: Catalogue, name: FeatureName, part: Part | None = None) -> None:
        super().__init__(store, name, part)
        self._objects = cast("RemoteObjects", self.backend.objects)
        self._is_in_order: dict[int, bool] = {}

    def rows_at(self, position: int) -> NDArray[Any]:
        """Return the rows of the utterance at a place of the layout, [rows, dim], read only."""
        return self.reader_of([position])(position)

    def reader_of(self, positions: Sequence[int]) -> Read:
        """Read the utterances at some places of the layout; return what gives each."""
        wanted = sorted(set(positions))
        shards = {position: self.layout.shard_of.item(position) for position in wanted}
        entries = self._entries_of(sorted(set(shards.values())))
        for position, shard in shards.items():
            self._refuse_quarantined(entries[shard], position)
        found = self._fetch(wanted, entries)
        missing = [position for position in wanted if position not in found]
        if missing:
            with ThreadPoolExecutor(_READERS) as pool:
                read = pool.map(super().rows_at, missing)
                found |= dict(zip(missing, read, strict=True))
        return found.__getitem__

    def _entries_of(self, shards: list[int]) -> dict[int, JournalEntry]:
        unread = [shard for shard in shards if shard not in self._committed]
        with ThreadPoolExecutor(max(min(len(unread), 2 * _READERS), 1)) as pool:
            list(pool.map(self._look_up, unread))
        return {shard: self._committed[shard] for shard in shards}

    def _fetch(
        self, positions: list[int], entries: dict[int, JournalEntry]
    ) -> dict[int, NDArray[Any]]:
        """Read what lies as it is and in order, by position; sorted positions."""
        requests = list(self._requests(positions, entries))
        keys = {s: self.backend.shard_key(self.key, s, self.spec) for s in entries}
        pieces = self._objects.get_ranges([(keys[r.shard], r.first, r.after) for r in requests])
        answers = list(zip(requests, pieces, strict=True))
        for request, piece in answers:
            entry = entries[request.shard]
            self._require_size(request.shard, entry, piece.size)
            if not request.positions:
                in_order = bytes(piece.content) == self._index_of(request.shard)
                self._is_in_order[request.shard] = in_order
        return {
            position: rows
            for request, piece in answers
            if request.positions and self._is_in_order[request.shard]
            for position, rows in self._cut(request, piece.content, entries[request.shard])
        }

    def _requests(
        self, positions: list[int], entries: dict[int, JournalEntry]
    ) -> Iterable[_Request]:
        for shard, group in groupby(positions, self.layout.shard_of.item):
            members = list(group)
            index = self._index_of(shard)
            if index is None or not self._is_in_order.get(shard, True):
                continue
            if shard not in self._is_in_order:
                num_bytes = entries[shard].num_bytes
                yield _Request(shard, num_bytes - len(index), num_bytes, [])
            spans = [self._bytes_of(position) for position in members]
            for first, after, places in join_ranges(spans):
                yield _Request(shard, first, after, [members[place] for place in places])

    def _cut(
        self, request: _Request, content: Any, entry: JournalEntry
    ) -> Iterable[tuple[int, NDArray[Any]]]:
        spec = self.spec
        run = np.frombuffer(content, dtype=spec.dtype).reshape(-1, *spec.row_shape)
        for position in request.positions:
            first = (self._bytes_of(position)[0] - request.first) // spec.row_bytes
            rows = run[first : first + self.layout.row_lengths.item(position)]
            if not rows.any():
                self._require_unchanged(request.shard, entry)  # what was removed is zeros
            if self._store.check:
                self._check(rows, entry, position)
            yield position, rows

    def _bytes_of(self, position: int) -> tuple[int, int]:
        """Return where the rows of an utterance lie in its shard."""
        layout, row_bytes = self.layout, self.spec.row_bytes
        shard = layout.shard_of.item(position)
        first = layout.row_starts.item(position) - shard * layout.rows_per_shard
        return first * row_bytes, (first + layout.row_lengths.item(position)) * row_bytes

    def _index_of(self, shard: int) -> bytes | None:
        return self.backend.raw_index(shard, self.spec, self.layout)


def stored_layer(store: Catalogue, name: FeatureName, part: Part | None = None) -> StoredLayer:
    """Return a feature that is one flat array, or one part of one, wherever it lies."""
    objects = store.backend.objects
    if objects.local_path("") is None:
        from tokser.store.remote_objects import RemoteObjects

        if isinstance(objects, RemoteObjects):
            return RemoteLayer(store, name, part)
    return StoredLayer(store, name, part)
