"""Sequential reads of whole shards, for conversion and export."""

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from tokser.errors import CorruptStoreError
from tokser.store.journal import JournalEntry, checksum
from tokser.store.layer import Layer
from tokser.store.lookup_layer import LookupLayer
from tokser.store.parted_layer import PartedLayer
from tokser.store.stored_layer import StoredLayer

__all__ = ["read_shard"]


def read_shard(layer: Layer, shard: int) -> Iterator[NDArray[Any] | None]:
    """Yield the rows of a shard's utterances, and verify each checksum.

    A packed shard is decoded once, not once per utterance.

    Args:
        layer: A complete feature of a store that was opened with `check`.
        shard: Number of the shard.

    Yields:
        An array [rows, dim] per utterance that `layer.layout.utterances` names, in order, read
        only; None for one in quarantine.

    Raises:
        CorruptStoreError: The shard is gone, or the rows of an utterance, which is named, changed.
    """
    if isinstance(layer, LookupLayer):
        for integers in read_shard(layer.integers, shard):
            yield None if integers is None else layer.look_up(integers)
        return
    part, local = _locate(layer, shard)
    entry = _entry(part, local)
    block = _decode(part, entry)
    for place in part.layout.utterances(local).tolist():
        if part.positions[place] < 0:
            continue
        if part.id_at(place) in entry.quarantined:
            yield None
        elif block is None:
            yield _one(part, place)
        else:
            yield _cut(part, entry, block, place)


def _entry(layer: StoredLayer, shard: int) -> JournalEntry:
    entry = layer.entries[shard]
    if entry is None:
        layer.require_complete()
        return _entry(layer, shard)
    return entry


def _locate(layer: Layer, shard: int) -> tuple[StoredLayer, int]:
    if isinstance(layer, PartedLayer):
        return layer.locate(shard)
    if isinstance(layer, StoredLayer):
        return layer, shard
    raise TypeError(layer)


def _decode(layer: StoredLayer, entry: JournalEntry) -> NDArray[Any] | None:
    """Return all rows of a shard; None where they are better, or only, read one by one."""
    backend, spec, layout = layer.backend, layer.spec, layer.layout
    key = backend.shard_key(layer.key, entry.shard, spec)
    where = f"{layer.store_path}, {layer.key}, shard {entry.shard}"
    entry.require_size(backend.objects.size(key), where)
    try:
        if backend.raw_shard(layer.key, entry.shard, spec, layout) is not None:
            return None
        return backend.read_rows(layer.key, *layout.shard_rows(entry.shard), spec, layout)
    except CorruptStoreError:
        return None  # one by one, the utterance at fault can be named


def _one(layer: StoredLayer, place: int) -> NDArray[Any]:
    try:
        return layer.rows_at(place)
    except CorruptStoreError as error:
        if layer.id_at(place) in error.where:
            raise
        raise _damaged(layer, place, "readable rows", error.got) from error


def _cut(layer: StoredLayer, entry: JournalEntry, block: NDArray[Any], place: int) -> NDArray[Any]:
    layout = layer.layout
    first = int(layout.row_starts[place]) - layout.shard_rows(entry.shard)[0]
    rows = block[first : first + int(layout.row_lengths[place])]
    rows.flags.writeable = False
    wanted = entry.checksums[place - entry.first_utterance]
    found = checksum(rows)
    if found != wanted:
        expected = f"rows with checksum {wanted} as in the journal"
        raise _damaged(layer, place, expected, found)
    return rows


def _damaged(layer: StoredLayer, place: int, expected: str, got: str) -> CorruptStoreError:
    return CorruptStoreError(
        f"{layer.store_path}, {layer.name}, {layer.id_at(place)}",
        expected=expected,
        got=got,
        remedy="Run `tokser store repair`, then the same `tokser extract` again.",
    )
