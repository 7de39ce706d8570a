"""Verification of a store: every byte is read again and compared with the journal."""

import errno
import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import xxhash

from tokser.errors import CorruptStoreError
from tokser.store.descriptions import read_group
from tokser.store.documents import damaged_files
from tokser.store.feature_name import FeatureName
from tokser.store.journal import JournalEntry, checksum, parse_entry
from tokser.store.lookup_layer import LookupLayer, table_checksum
from tokser.store.parted_layer import stored_parts
from tokser.store.parts import part_path
from tokser.store.reader import Store
from tokser.store.stored_layer import StoredLayer
from tokser.store.table import parse_manifest

__all__ = ["Damage", "Verification", "num_bytes_to_verify", "verify_store"]

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
        """Whether nothing is damaged; shards that are not committed yet are no damage."""
        return not self.damages

    def add(self, what: str, shard: int | None, utterances: tuple[str, ...], reason: str) -> None:
        """Note a fault."""
        self.damages.append(Damage(what, shard, utterances, reason))


def num_bytes_to_verify(store: Store) -> int:
    """Count the bytes of all shards, of all parts of groups that grew.

    Local files tell their size; of remote ones the planned size is taken, for asking takes long.
    Parts whose description is damaged are left out: verification names the damage.
    """
    total = 0
    for group in store.groups:
        for number in range(store.group(group).parts + 1):
            with suppress(CorruptStoreError):
                total += _num_bytes_of_part(store, part_path(group, number))
    return total


def _num_bytes_of_part(store: Store, path: str) -> int:
    about, objects = read_group(store.backend, path), store.backend.objects
    if objects.local_path("") is None:
        return about.num_rows * sum(spec.row_bytes for spec in about.features.values())
    num_shards = -(-about.num_rows // about.rows_per_shard)
    keys = [
        store.backend.shard_key(f"{path}/{name}", shard, spec)
        for name, spec in about.features.items()
        for shard in range(num_shards)
    ]
    return sum(objects.size(key) or 0 for key in keys)


def verify_store(store: Store, on_bytes: OnBytes = lambda count: None) -> Verification:
    """Verify everything in a store by its digests and checksums.

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
        if FeatureName.parse(name).group_key in whole_groups:
            for part in stored_parts(store[name]):
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


def _verify_layer(store: Store, layer: StoredLayer, found: Verification, on_bytes: OnBytes) -> None:
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
    store: Store, layer: StoredLayer, entry: JournalEntry, found: Verification, on_bytes: OnBytes
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


def _name_damage(
    store: Store, layer: StoredLayer, entry: JournalEntry, found: Verification
) -> None:
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


def _utterances(layer: StoredLayer, shard: int) -> tuple[str, ...]:
    return tuple(layer.id_at(place) for place in layer.layout.utterances(shard).tolist())
