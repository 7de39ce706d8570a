"""One store into another format or packing, shard by shard, checksums compared."""

from collections.abc import Callable, Sequence

from tokser.errors import CorruptStoreError, SettingsError, list_some
from tokser.store.journal import JournalEntry
from tokser.store.layer import Layer, LookupLayer
from tokser.store.reader import Store, open_store
from tokser.store.schema import FUNCTIONALS, Compression, GroupPlan
from tokser.store.writer import GroupWriter, Recording, StoreWriter

__all__ = ["convert_store"]

OnBytes = Callable[[int], None]


def convert_store(
    source: str,
    target: str,
    *,
    compression: Compression = "none",
    features: Sequence[str] = (),
    on_bytes: OnBytes = lambda count: None,
) -> Store:
    """Copy a store; shards that the target has already are kept, so the same call goes on.

    Args:
        source: Store to read; every row is held against its checksum.
        target: Folder or URL; the suffix decides the format.
        compression: Packing of the target's rows.
        features: Which to copy, with their functionals; all by default.
        on_bytes: Called with the number of bytes of rows done since the last call.

    Returns:
        The target, opened.

    Raises:
        StoreNotSealedError: A feature is not whole.
        CorruptStoreError: Rows of the source are damaged; nothing of their shard is written.
        StoreMismatchError: The target holds something else.
    """
    store = open_store(source, check=True)
    if source.rstrip("/") == target.rstrip("/"):
        raise SettingsError(
            target, expected="another place", got="the source", remedy="Name another target."
        )
    chosen = _choose(store, features)
    for name in chosen:
        store[name].require_sealed()
    with StoreWriter.reopen(store, at=target) as writer:
        for group in store.groups:
            names = [name for name in chosen if name.rpartition("/")[0] == group]
            if names:
                _convert_group(store, group, names, writer, compression, on_bytes)
    return open_store(target)


def _choose(store: Store, features: Sequence[str]) -> list[str]:
    """Name everything to be copied: features, the integers of lookups, functionals."""
    unknown = [name for name in features if name not in store.features]
    if unknown:
        raise SettingsError(
            store.path,
            expected=f"some of the features {list_some(store.features, most=20)}",
            got=list_some(unknown),
            remedy="`tokser store info` lists them.",
        )
    chosen = list(features) or store.features
    for name in tuple(chosen):
        layer = store[name]
        if isinstance(layer, LookupLayer):
            chosen.append(f"{name.rpartition('/')[0]}/{layer.lookup.ids}")
        if f"{FUNCTIONALS}/{name}" in store:
            chosen.append(f"{FUNCTIONALS}/{name}")
    return list(dict.fromkeys(chosen))


def _convert_group(
    store: Store,
    group: str,
    names: Sequence[str],
    writer: StoreWriter,
    compression: Compression,
    on_bytes: OnBytes,
) -> None:
    found, layout = store.group(group), store.layout(group)
    layers = {name.rpartition("/")[2]: store[name] for name in names}
    arrays = {n: layer for n, layer in layers.items() if not isinstance(layer, LookupLayer)}
    plan = GroupPlan(
        name=group,
        kind=found.kind,
        features={
            name: layer.spec.model_copy(update={"compression": compression})
            for name, layer in arrays.items()
        },
        lengths=layout.row_lengths,
        provenance=found.provenance,
        source=found.source,
        cut=(layout.rows_per_shard, layout.rows_per_chunk),
    )
    target = writer.plan_group(plan)
    for name, layer in layers.items():
        if isinstance(layer, LookupLayer) and not target.has_lookup(name):
            keys, table = layer.keys_and_table
            target.put_lookup(name, ids=layer.lookup.ids, keys=keys, table=table)
    for shard, lacking in target.claims():
        for name in lacking:
            _convert_shard(store, arrays[name], name, shard, target)
        first, after = layout.shard_rows(shard)
        row_bytes = sum(layer.spec.row_bytes for layer in arrays.values())
        on_bytes((after - first) * row_bytes)


def _convert_shard(store: Store, layer: Layer, name: str, shard: int, target: GroupWriter) -> None:
    entry = layer.entries[shard]
    if entry is None:
        raise AssertionError("a sealed layer has every entry")
    rows = [
        None if store.ids[position] in entry.quarantined else layer.rows_at(position)
        for position in range(*layer.layout.shard_utterances(shard))
    ]
    recordings = [
        Recording(digest, modified_ns)
        for digest, modified_ns in zip(entry.recordings, entry.modified_ns, strict=True)
    ]
    written = target.commit(shard, {name: rows}, entry.quarantined, recordings)[name]
    _refuse_other_rows(store, layer, entry, written)


def _refuse_other_rows(
    store: Store, layer: Layer, entry: JournalEntry, written: JournalEntry
) -> None:
    """Raise unless the target's checksums are the source's."""
    pairs = zip(entry.checksums, written.checksums, strict=True)
    unlike = [
        store.ids[entry.first_utterance + place]
        for place, (old, new) in enumerate(pairs)
        if old != new
    ]
    if unlike:
        raise CorruptStoreError(
            f"{store.path}, {layer.name}",
            expected="the rows that its journal says",
            got=f"others of {list_some(unlike)}",
            remedy="Run `tokser store repair` and `tokser extract` on the source first.",
        )
