"""Removal of utterances from a store for good: their rows, checksums, transcripts and names.

The root's document first names what is being removed. From then on nobody can open the store or
commit a shard to it, and the same call, after any stop, does the rest; every step may be repeated.
Shards that hold removed utterances are rewritten with zeros in their place, under new entries;
lookup tables lose the rows that no remaining token needs; every version of the utterance table is
written without them; leftovers of killed writers are deleted. The last write is the root's: it
drops the mark and notes the numbers that were removed, which are never given again. The rows of
all other utterances stay where they are.

What must never happen: that the mark is dropped while a trace remains (a row, a checksum, a
transcript, a file that no document names), that a reader who opened the store before is given
zeros as rows (readers compare the entry again when a file was replaced), or that a commit that was
under way brings removed rows back (`GroupWriter.commit` reads the root again).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from tokser.errors import CorruptStoreError, SettingsError, StoreLockedError, list_some
from tokser.store.address import existing_backend
from tokser.store.backend import Backend
from tokser.store.descriptions import read_group, read_parts, read_root
from tokser.store.documents import ids_digest
from tokser.store.group_writer import put_lookup
from tokser.store.journal import JournalEntry, checksum, parse_entry
from tokser.store.leftovers import remove_leftovers
from tokser.store.locks import Locks
from tokser.store.parts import Part
from tokser.store.reader import Store
from tokser.store.schema import (
    FeatureSpec,
    Removal,
    Removing,
    RootAttributes,
    TableVersion,
    feature_identity,
)
from tokser.store.table import cells, table_text
from tokser.store.versions import now
from tokser.store.write_documents import write_root

__all__ = ["Removed", "remove_from_store"]


@dataclass(frozen=True)
class Removed:
    """What a removal did.

    Attributes:
        num_utterances: Utterances that were removed, or would be.
        num_shards: Shards that were rewritten for it.
    """

    num_utterances: int
    num_shards: int


def remove_from_store(
    address: str,
    *,
    speaker: str | None = None,
    ids: Sequence[str] = (),
    dry_run: bool = False,
) -> Removed:
    """Remove utterances; rows of the others stay where they are.

    A removal that was stopped is finished first.

    Args:
        address: Folder or URL of the store.
        speaker: All utterances of this speaker.
        ids: These utterances.
        dry_run: Change nothing.

    Raises:
        MissingInputError: There is no store at the address.
        SettingsError: There is no such utterance or speaker, or no other.
        StoreLockedError: Another process is writing to the store.
    """
    backend = existing_backend(address)
    locks = Locks(backend)
    with locks.plan():
        root = read_root(backend)
        finished = 0
        if root.removing is not None and not dry_run:
            finished = _finish(backend, root)
            done = Removed(len(root.removing.ids), finished)
            root = read_root(backend)
            if not _still_there(backend, root, speaker, ids):
                return done
        store = Store(backend)
        selected = _select(store, speaker, ids)
        numbers = root.numbers[[store.position(name) for name in selected]]
        if dry_run:
            count = sum(
                len(_shards(part, numbers)) * len(store.group(group).features)
                for group in store.groups
                for part in store.parts(group)
            )
            return Removed(len(selected), count)
        removing = Removing(ids=tuple(selected), numbers=tuple(numbers.tolist()))
        marked = root.changed(removing=removing)
        write_root(backend, marked)
        try:
            locks.require_idle(root.groups, "remove utterances")
        except StoreLockedError:
            write_root(backend, root)
            raise
        return Removed(len(selected), finished + _finish(backend, marked))


def _still_there(
    backend: Backend, root: RootAttributes, speaker: str | None, ids: Sequence[str]
) -> bool:
    """Tell whether anything is left of what is to be removed, after a removal was finished."""
    table = cells(backend.manifest_text(root.version))
    return any(name in table.index for name in ids) or (
        speaker is not None and bool(table["speaker"].eq(speaker).any())
    )


def _select(store: Store, speaker: str | None, ids: Sequence[str]) -> list[str]:
    table = cells(store.manifest_text)
    selected = (
        list(dict.fromkeys(ids))
        if speaker is None
        else list(table.index[table["speaker"] == speaker])
    )
    unknown = [name for name in selected if name not in table.index]
    if unknown or not selected or len(selected) == len(table):
        got = f"no utterance of speaker {speaker!r}" if speaker is not None else "none"
        if unknown:
            got = f"ids that it does not have: {list_some(unknown)}"
        elif selected:
            got = "all of them"
        raise SettingsError(
            store.path,
            expected="some utterances of the store, and others that stay",
            got=got,
            remedy="Correct --speaker or --ids; to remove everything, remove the store itself.",
        )
    return selected


def _finish(backend: Backend, root: RootAttributes) -> int:
    """Remove what the root says is being removed; every step may be repeated."""
    removing = root.removing
    if removing is None:
        return 0
    numbers, gone = np.array(removing.numbers, dtype=np.int64), frozenset(removing.ids)
    num_shards = 0
    for group in root.groups:
        features = read_group(backend, group).features
        for part in read_parts(backend, root, group):
            for name, spec in features.items():
                for shard in _shards(part, numbers):
                    _zero_shard(backend, root, part, name, spec, shard, numbers, gone)
                    num_shards += 1
        _shorten_lookups(backend, root, group, numbers)
    versions = tuple(_shorten_table(backend, one, gone) for one in root.all_versions())
    remove_leftovers(backend, root)
    present = versions[-1]
    write_root(
        backend,
        root.model_copy(
            update={
                "versions": versions,
                "manifest_digest": present.manifest_digest,
                "num_utterances": present.num_utterances,
                "ids_digest": present.ids_digest,
                "files": present.files,
                "removed": tuple(sorted({*root.removed, *removing.numbers})),
                "removals": (*root.removals, Removal(when=now(), num_utterances=len(gone))),
                "removing": None,
            }
        ),
    )
    return num_shards


def _shards(part: Part, numbers: NDArray[np.int64]) -> list[int]:
    """Shards of a part that hold rows, or a mention, of utterances."""
    found: list[int] = np.unique(part.layout.shard_of[np.isin(part.numbers, numbers)]).tolist()
    return found


def _zero_shard(
    backend: Backend,
    root: RootAttributes,
    part: Part,
    name: str,
    spec: FeatureSpec,
    shard: int,
    numbers: NDArray[np.int64],
    gone: frozenset[str],
) -> None:
    """Rewrite a shard with zeros for what is removed; one that cannot be read is invalidated."""
    feature, layout = f"{part.path}/{name}", part.layout
    text = backend.read_entry(feature, shard)
    try:
        identity = feature_identity(root, part.path, name, part.attributes)
        entry = parse_entry(text, shard=shard, identity=identity, where=feature)
        rows = backend.read_rows(feature, *layout.shard_rows(shard), spec, layout).copy()
    except CorruptStoreError:  # nothing is committed, or it is damaged: extract computes it again
        backend.drop_entry(feature, shard)
        backend.objects.delete(backend.shard_key(feature, shard, spec))
        return
    first, after = layout.shard_utterances(shard)
    base = layout.shard_rows(shard)[0]
    checksums, recordings, times = (
        list(entry.checksums),
        list(entry.recordings),
        list(entry.modified_ns),
    )
    for place in range(first, after):
        if part.numbers[place] not in numbers:
            continue
        start = int(layout.row_starts[place]) - base
        own = rows[start : start + int(layout.row_lengths[place])]
        own[...] = 0
        checksums[place - first] = checksum(np.ascontiguousarray(own))
        if recordings:
            recordings[place - first], times[place - first] = "", 0
    written = backend.write_shard(feature, shard, rows, spec, layout)
    rewritten: JournalEntry = replace(
        entry,
        checksums=tuple(checksums),
        recordings=tuple(recordings),
        modified_ns=tuple(times),
        quarantined={k: v for k, v in entry.quarantined.items() if k not in gone},
        num_bytes=written.num_bytes,
        file_digest=written.digest,
    )
    backend.write_entry(feature, shard, rewritten.to_text())


def _shorten_lookups(
    backend: Backend, root: RootAttributes, group: str, numbers: NDArray[np.int64]
) -> None:
    """Keep in tables only what the remaining integers stand for: the rest tells what was said."""
    for name, lookup in read_group(backend, group).lookups.items():
        used = [np.zeros(0, dtype=np.int32)]
        for part in read_parts(backend, root, group):
            spec, layout = part.attributes.features[lookup.ids], part.layout
            gone = np.isin(part.numbers, numbers)
            for shard in range(layout.num_shards):
                feature = f"{part.path}/{lookup.ids}"
                if not backend.read_entry(feature, shard):
                    continue
                base = layout.shard_rows(shard)[0]
                rows = backend.read_rows(feature, *layout.shard_rows(shard), spec, layout)
                for place in layout.utterances(shard).tolist():
                    if not gone[place]:
                        start = int(layout.row_starts[place]) - base
                        used.append(rows[start : start + int(layout.row_lengths[place])])
        keys, table = backend.read_lookup(f"{group}/{name}", lookup.place)
        kept = np.isin(keys, np.unique(np.concatenate(used)))
        if not kept.all():
            put_lookup(backend, group, name, ids=lookup.ids, keys=keys[kept], table=table[kept])


def _shorten_table(backend: Backend, version: TableVersion, gone: frozenset[str]) -> TableVersion:
    """Write a version of the utterance table again, without what is removed."""
    table = cells(backend.manifest_text(version.number))
    left = table[~table.index.isin(gone)]
    text, ids = table_text(left), [str(name) for name in left.index]
    files = backend.write_manifest(text, ids, version.number)
    update = {
        "manifest_digest": sha256(text.encode()).hexdigest(),
        "num_utterances": len(ids),
        "ids_digest": ids_digest(ids),
        "files": files,
    }
    return version.model_copy(update=update)
