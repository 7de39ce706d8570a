"""Conversion of a store to another format or compression, shard by shard, checksums compared."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tokser.errors import CorruptStoreError, SettingsError, StoreMismatchError, list_some
from tokser.store.address import backend_at, is_remote
from tokser.store.documents import damaged_files
from tokser.store.feature_name import FeatureName
from tokser.store.group_writer import GroupWriter
from tokser.store.invalidate_shards import invalidate
from tokser.store.journal import Record
from tokser.store.layer import Layer
from tokser.store.layout import Layout
from tokser.store.lookup_layer import LookupLayer
from tokser.store.parted_layer import PartedLayer, stored_parts
from tokser.store.reader import Store, open_store
from tokser.store.schema import Compression, GroupPlan
from tokser.store.selection import select_features
from tokser.store.shards import read_shard
from tokser.store.writer import StoreWriter

__all__ = ["convert_store", "num_bytes_to_convert"]

OnBytes = Callable[[int], None]


def convert_store(
    source: str,
    target: str,
    *,
    compression: Compression = "none",
    features: Sequence[str] = (),
    on_bytes: OnBytes = lambda count: None,
) -> Store:
    """Copy a store; shards that the target has already are kept, so the same call resumes.

    Shards are cut as in the source, so that every feature stays the same feature: what was made
    from it, and a later `extract` or `pool`, fit the copy as they fit the original.

    Args:
        source: Folder or URL of the store; the checksum of every row is verified.
        target: Folder or URL; the suffix decides the format.
        compression: Packing of the target's rows; functionals are never packed.
        features: Which to copy, with their functionals; all by default.
        on_bytes: Called with the number of bytes of rows done since the last call.

    Returns:
        The target, opened.

    Raises:
        SettingsError: Source and target overlap, or the source has no such feature, or the
            target's format no such compression.
        StoreIncompleteError: A feature is incomplete.
        CorruptStoreError: The source is damaged; nothing of that shard is written.
        StoreMismatchError: The target holds something else.
        RunError: The target cannot be written to.
    """
    _refuse_overlap(source, target)
    _refuse_compression(target, compression)
    store = open_store(source, check=True)
    selected = [FeatureName.parse(name) for name in _select(store, features)]
    _refuse_damaged(store, selected)
    for name in selected:
        store[str(name)].require_complete()
    with StoreWriter.reopen(store, at=target) as writer:
        for group in store.groups:
            names = [name for name in selected if name.group_key == group]
            if names:
                _convert_group(store, group, names, writer, compression, on_bytes)
    return open_store(target)


def num_bytes_to_convert(store: Store, features: Sequence[str] = ()) -> int:
    """Count the bytes of rows that `convert_store` will go through.

    Raises:
        SettingsError: The store has no such feature.
    """
    layers = [store[name] for name in _select(store, features, tell=False)]
    return sum(
        layer.layout.num_rows * layer.spec.row_bytes
        for layer in layers
        if not isinstance(layer, LookupLayer)
    )


def _refuse_overlap(source: str, target: str) -> None:
    old, new = (_parts(address) for address in (source, target))
    shared = min(len(old), len(new))
    if old[:shared] == new[:shared]:
        raise SettingsError(
            target,
            expected="another place than the source",
            got="the source" if old == new else f"one that overlaps with {source}",
            remedy="Name another target.",
        )


def _parts(address: str) -> tuple[str, ...]:
    if is_remote(address):
        return tuple(part for part in address.split("/") if part)
    return Path(address).resolve().parts


def _refuse_compression(target: str, compression: Compression) -> None:
    backend = backend_at(target)
    if compression not in backend.compressions:
        raise SettingsError(
            target,
            expected=f"a compression out of {', '.join(backend.compressions)}",
            got=compression,
            remedy=f"These are what {backend.name} stores can use.",
        )


def _select(store: Store, features: Sequence[str], *, tell: bool = True) -> list[str]:
    """Name everything to be copied: features, the integers of lookups, functionals."""
    alone = [name for name in store.pooled if name not in store.features]
    with_rows = [name for name in features if name not in alone]
    selected = select_features(store, with_rows, tell=tell) if with_rows or not features else []
    for name in tuple(selected):
        layer = store[name]
        if isinstance(layer, LookupLayer):
            selected.append(layer.integers.name)
        selected += _functionals(store, name)
    for name in alone:
        if not features or name in features:
            selected.append(str(FeatureName.parse(name).functionals()))
    return list(dict.fromkeys(selected))


def _functionals(store: Store, feature: str) -> list[str]:
    """Name all functionals of a feature, mean and standard deviation first."""
    names = [FeatureName.parse(array) for array in store.arrays]
    own = [name for name in names if name.is_functionals and str(name.rows) == feature]
    return [str(name) for name in sorted(own, key=lambda name: bool(name.functional))]


def _refuse_damaged(store: Store, selected: Sequence[FeatureName]) -> None:
    """Raise if a small file is damaged: it would be copied with a digest that makes it right."""
    files = dict(store.attributes.files)
    for group in {name.group_key for name in selected}:
        files |= store.group(group).files
    damaged = damaged_files(store.backend, files)
    if not damaged:
        digest = hashlib.sha256(store.manifest_text.encode()).hexdigest()
        damaged = [] if digest == store.attributes.manifest_digest else ["manifest"]
    if damaged:
        raise CorruptStoreError(
            store.path,
            expected="files with the digests that the store says",
            got=f"others, or none, of {list_some(damaged)}",
            remedy="Run the same `tokser extract` again: it writes them again.",
        )


def _convert_group(
    store: Store,
    group: str,
    names: Sequence[FeatureName],
    writer: StoreWriter,
    compression: Compression,
    on_bytes: OnBytes,
) -> None:
    layers = {name.array: store[str(name)] for name in names}
    arrays = {n: layer for n, layer in layers.items() if not isinstance(layer, LookupLayer)}
    target = writer.plan_group(_plan(store, group, arrays, compression))
    copy = open_store(writer.path)
    for layer in layers.values():
        _refuse_other_content(store, layer, copy, compression)
    for name, layer in layers.items():
        if isinstance(layer, LookupLayer) and not target.has_lookup(name):
            keys, table = layer.keys_and_table
            target.put_lookup(name, ids=layer.lookup.ids, keys=keys, table=table)
    sizes = {n: _shard_bytes(layer, target.layout) for n, layer in arrays.items()}
    known = {name: layer.records() for name, layer in arrays.items()}
    pending = target.pending()
    everything = sum(sum(by_shard) for by_shard in sizes.values())
    on_bytes(everything - sum(sizes[n][shard] for shard in pending for n in pending[shard]))
    for shard, lacking in target.claims():
        for name in pending[shard]:
            if name in lacking:
                _convert_shard(store, name, arrays[name], known[name], shard, target, writer.path)
            on_bytes(sizes[name][shard])


def _plan(
    store: Store, group: str, arrays: dict[str, Layer], compression: Compression
) -> GroupPlan:
    found, layout = store.group(group), store.layout(group)
    packed = "none" if found.kind == "functionals" else compression
    specs = {
        name: layer.spec.model_copy(update={"compression": packed})
        for name, layer in arrays.items()
    }
    cut = (found.rows_per_shard, found.rows_per_chunk)
    fits = int(layout.row_lengths.max(initial=0)) <= found.rows_per_shard
    return GroupPlan(
        name=group,
        kind=found.kind,
        features=specs,
        lengths=layout.row_lengths,
        provenance=found.provenance,
        source=found.source,
        cut=cut if fits else None,  # a part that was added later may have had larger shards
    )


def _shard_bytes(layer: Layer, layout: Layout) -> list[int]:
    spans = [layout.shard_rows(shard) for shard in range(layout.num_shards)]
    return [(after - first) * layer.spec.row_bytes for first, after in spans]


def _refuse_other_content(
    store: Store, layer: Layer, copy: Store, compression: Compression
) -> None:
    """Raise unless what the target has of a feature already is what the source has."""
    if layer.name not in copy:
        return
    there = copy[layer.name]
    unlike: list[str]
    if isinstance(layer, LookupLayer) and isinstance(there, LookupLayer):
        unlike = [] if there.lookup == layer.lookup else ["the table"]
    else:
        unlike = _unlike(layer.records(), there.records())
    if unlike:
        raise StoreMismatchError(
            f"{copy.path}, {layer.name}",
            expected=f"nothing, or the rows of {store.path}",
            got=f"other rows of {list_some(unlike)}",
            remedy="Name a new target; nothing was changed.",
        )
    packed = "none" if layer.kind == "functionals" else compression
    if not isinstance(layer, LookupLayer) and there.compression != packed:
        raise StoreMismatchError(
            f"{copy.path}, {layer.name}",
            expected=f"compression {there.compression} as in the store",
            got=packed,
            remedy="Name a new target, or the compression that this one has.",
        )


def _convert_shard(
    store: Store,
    name: str,
    layer: Layer,
    known: Mapping[str, Record],
    shard: int,
    target: GroupWriter,
    path: str,
) -> None:
    ids = [store.ids[position] for position in target.layout.utterances(shard).tolist()]
    if isinstance(layer, PartedLayer):
        rows = [None if known[one].reason is not None else layer[one] for one in ids]
    else:
        rows = list(read_shard(layer, shard))
    reasons = {one: str(known[one].reason) for one in ids if known[one].reason is not None}
    recordings = [known[one].recording for one in ids]
    entries = [entry for part in stored_parts(layer) for entry in part.entries if entry]
    if not any(entry.recordings for entry in entries):
        recordings = []
    written = target.commit(shard, {name: rows}, reasons, recordings)[name]
    new = {
        one: Record(checksum, known[one].recording, written.quarantined.get(one))
        for one, checksum in zip(ids, written.checksums, strict=True)
    }
    unlike = _unlike({one: known[one] for one in ids}, new)
    if unlike:
        invalidate(open_store(path), [(layer.name, shard)])
        raise CorruptStoreError(
            f"{path}, {layer.name}",
            expected=f"rows with the checksums in the journal of {store.path}",
            got=f"others of {list_some(unlike)}",
            remedy="This machine's memory or disk may be at fault; the shard was invalidated.",
        )


def _unlike(old: Mapping[str, Record], new: Mapping[str, Record]) -> list[str]:
    """Name the utterances that both have, and whose rows or quarantine differ."""
    return [
        name
        for name, one in old.items()
        if name in new and (one.checksum, one.reason) != (new[name].checksum, new[name].reason)
    ]
