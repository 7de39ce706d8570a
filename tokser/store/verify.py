"""Is a store whole? Every committed row is read again and held against its checksum."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tokser.errors import CorruptStoreError
from tokser.store.journal import JournalEntry, checksum
from tokser.store.layer import Layer, LookupLayer
from tokser.store.reader import Store

__all__ = ["Damage", "Verification", "verify_store"]


@dataclass(frozen=True)
class Damage:
    """One fault: what of which feature, and how it shows."""

    feature: str
    what: str
    reason: str


@dataclass
class Verification:
    """What a check of a whole store found.

    Attributes:
        damages: Every fault.
        missing: Shards not committed yet, by feature.
        num_bytes: Bytes of activations that were read.
    """

    damages: list[Damage] = field(default_factory=list)
    missing: dict[str, list[int]] = field(default_factory=dict)
    num_bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged; shards that are still to come are no damage."""
        return not self.damages


def verify_store(
    store: Store, on_utterances: Callable[[int], None] = lambda count: None
) -> Verification:
    """Read everything that the journal says is there, and compare the checksums.

    Args:
        store: The store.
        on_utterances: Called with the number of utterances that were checked since the last call.
    """
    found = Verification()
    for name in store.arrays:
        layer = store[name]
        try:
            entries = layer.entries
            layer.layout  # noqa: B018  reading it checks its digest
        except CorruptStoreError as error:
            found.damages.append(Damage(name, "journal or layout", str(error)))
            continue
        missing = [shard for shard, entry in enumerate(entries) if entry is None]
        if missing:
            found.missing[name] = missing
        for entry in entries:
            if entry is not None:
                _verify_shard(store, layer, entry, found)
                on_utterances(len(entry.checksums))
    _verify_lookups(store, found)
    return found


def _verify_shard(store: Store, layer: Layer, entry: JournalEntry, found: Verification) -> None:
    for position, wanted in enumerate(entry.checksums, start=entry.first_utterance):
        utterance = str(store.utterances.index[position])
        if utterance in entry.quarantined:
            continue
        try:
            rows = np.ascontiguousarray(layer.rows_at(position))
        except CorruptStoreError as error:
            found.damages.append(Damage(layer.name, utterance, str(error)))
            continue
        found.num_bytes += rows.nbytes
        got = checksum(rows)
        if got != wanted:
            reason = f"checksum {got}, the journal says {wanted}"
            found.damages.append(Damage(layer.name, utterance, reason))


def _verify_lookups(store: Store, found: Verification) -> None:
    for name in store.features:
        layer = store[name]
        if not isinstance(layer, LookupLayer):
            continue
        try:
            keys, table = layer.keys_and_table
        except CorruptStoreError as error:
            found.damages.append(Damage(name, "table", str(error)))
            continue
        flat = np.concatenate([keys.view(np.uint8), table.ravel().view(np.uint8)])
        found.num_bytes += flat.nbytes
        if checksum(flat) != layer.lookup.checksum:
            found.damages.append(Damage(name, "table", "its checksum differs"))
