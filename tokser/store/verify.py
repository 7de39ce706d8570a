"""Is a store whole? Every byte is read again and held against the journal."""

import errno
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import xxhash

from tokser.errors import CorruptStoreError
from tokser.store.documents import damaged_files
from tokser.store.journal import JournalEntry, checksum, parse_entry
from tokser.store.layer import Layer
from tokser.store.lookup_layer import LookupLayer, table_checksum
from tokser.store.reader import Store
from tokser.store.table import parse_manifest

__all__ = ["Damage", "Verification", "verify_store"]

_PIECE_BYTES = 16 * 2**20

OnBytes = Callable[[int], None]


@dataclass(frozen=True)
class Damage:
    """One fault.

    Attributes:
        what: Feature, group or file that it is in.
        shard: Number of the shard, None where the fault is in no shard.
        utterances: Those whose rows are lost; empty where rows are as they were.
        reason: How it shows.
    """

    what: str
    shard: int | None
    utterances: tuple[str, ...]
    reason: str


@dataclass
class Verification:
    """What a check of a whole store found.

    Attributes:
        damages: Every fault.
        missing: Shards not committed yet, by feature.
        outdated: Utterances that a feature lacks, or has of an older version of the table: to be
            computed by the same extract, align or pool.
        num_bytes: Bytes that were read.
        seconds: How long that took.
    """

    damages: list[Damage] = field(default_factory=list)
    missing: dict[str, list[int]] = field(default_factory=dict)
    outdated: dict[str, list[str]] = field(default_factory=dict)
    num_bytes: int = 0
    seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged; shards that are still to come are no damage."""
        return not self.damages

    def add(self, what: str, shard: int | None, utterances: tuple[str, ...], reason: str) -> None:
        """Note a fault."""
        self.damages.append(Damage(what, shard, utterances, reason))


def verify_store(store: Store, on_bytes: OnBytes = lambda count: None) -> Verification:
    """Hold everything in a store against its digests and checksums.

    Args:
        store: The store.
        on_bytes: Called with the number of bytes that were read since the last call.
    """
    found, start = Verification(), time.perf_counter()
    _verify_everything(store, found, on_bytes)
    found.seconds = time.perf_counter() - start
    return found


def _verify_everything(store: Store, found: Verification, on_bytes: OnBytes) -> None:
    files = dict(store.attributes.files)
    for version in store.versions:
        files |= version.files
    for group in store.groups:
        files |= store.group(group).files
    for key in damaged_files(store.backend, files):
        found.add(key, None, (), "its digest differs, or it is gone")
    if not _verify_manifest(store, found):
        return
    whole_groups = [group for group in store.groups if _verify_layout(store, group, found)]
    for name in store.arrays:
        if name.rpartition("/")[0] in whole_groups:
            for part in store[name].parts:
                _verify_layer(store, part, found, on_bytes)
            names = [store.ids[position] for position in store[name].outdated.tolist()]
            if names:
                found.outdated[name] = names
    for name in store.features:
        layer = store[name]
        if isinstance(layer, LookupLayer):
            _verify_lookup(store, layer, found)


def _verify_manifest(store: Store, found: Verification) -> bool:
    """Check manifest and ids; without them nothing can be named."""
    try:
        digest = hashlib.sha256(store.manifest_text.encode()).hexdigest()
        ids = [str(name) for name in parse_manifest(store.manifest_text).index]
        as_planned = digest == store.attributes.manifest_digest and ids == store.ids
        reason = "" if as_planned else "its digest or its ids differ"
    except (CorruptStoreError, ValueError) as error:
        reason = str(error)
    if reason:
        found.add("manifest", None, (), reason)
    return not reason


def _verify_layout(store: Store, group: str, found: Verification) -> bool:
    try:
        for part in store.parts(group):
            for key in damaged_files(store.backend, part.attributes.files):
                if part.path != group:
                    found.add(key, None, (), "its digest differs, or it is gone")
        store.layout(group)
    except CorruptStoreError as error:
        found.add(f"{group}, layout", None, (), str(error))
        return False
    return True


def _verify_layer(store: Store, layer: Layer, found: Verification, on_bytes: OnBytes) -> None:
    texts = store.backend.read_journal(layer.key, layer.layout.num_shards)
    for shard, text in enumerate(texts):
        if not text:
            found.missing.setdefault(layer.key, []).append(shard)
            continue
        where = f"{store.path}, {layer.key}, shard {shard}"
        try:
            entry = parse_entry(text, shard=shard, identity=layer.journal_identity, where=where)
        except CorruptStoreError as error:
            found.add(layer.key, shard, _utterances(layer, shard), str(error))
            continue
        try:
            _verify_shard(store, layer, entry, found, on_bytes)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            reason = f"its file cannot be read ({error.strerror})"
            found.add(layer.key, shard, _utterances(layer, shard), reason)


def _verify_shard(
    store: Store, layer: Layer, entry: JournalEntry, found: Verification, on_bytes: OnBytes
) -> None:
    key = store.backend.shard_key(layer.key, entry.shard, layer.spec)
    size = store.backend.objects.size(key)
    if size != entry.num_bytes:
        got = "its file is gone" if size is None else f"its file has {size} bytes"
        reason = f"{got}, the journal says {entry.num_bytes}"
        found.add(layer.key, entry.shard, _utterances(layer, entry.shard), reason)
        return
    hasher = xxhash.xxh3_64()
    for first in range(0, size, _PIECE_BYTES):
        piece = store.backend.objects.get_range(key, first, min(first + _PIECE_BYTES, size))
        hasher.update(piece)
        found.num_bytes += len(piece)
        on_bytes(len(piece))
    if hasher.hexdigest() != entry.file_digest:
        _name_damage(store, layer, entry, found)


def _name_damage(store: Store, layer: Layer, entry: JournalEntry, found: Verification) -> None:
    """Say which utterances of a damaged file are lost."""
    lost, reasons = [], []
    spec, layout = layer.spec, layer.layout
    for place, wanted in enumerate(entry.checksums, start=entry.first_utterance):
        start, length = int(layout.row_starts[place]), int(layout.row_lengths[place])
        try:
            rows = store.backend.read_rows(layer.key, start, start + length, spec, layout)
            damaged = checksum(np.ascontiguousarray(rows)) != wanted
        except CorruptStoreError as error:
            damaged = True
            reasons.append(str(error))
        if damaged:
            lost.append(layer.id_at(place))
    fallback = "their checksums differ" if lost else "its padding or index changed, no rows"
    found.add(layer.key, entry.shard, tuple(lost), reasons[0] if reasons else fallback)


def _verify_lookup(store: Store, layer: LookupLayer, found: Verification) -> None:
    try:
        keys, table = store.backend.read_lookup(layer.name, layer.lookup.place)
    except CorruptStoreError as error:
        found.add(f"{layer.name}, table", None, (), str(error))
        return
    found.num_bytes += keys.nbytes + table.nbytes
    if table_checksum(keys, table) != layer.lookup.checksum:
        found.add(f"{layer.name}, table", None, (), "its checksum differs")


def _utterances(layer: Layer, shard: int) -> tuple[str, ...]:
    return tuple(layer.id_at(place) for place in layer.layout.utterances(shard).tolist())
