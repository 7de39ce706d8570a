"""Writing one group: commit its shards, in any order, by any number of processes."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tokser.errors import RunError, StoreMismatchError
from tokser.provenance import digest_of
from tokser.store.backend import Backend
from tokser.store.claims import Claim, Claims
from tokser.store.descriptions import read_group, read_root
from tokser.store.journal import JournalEntry, Recording, checksum, parse_entry
from tokser.store.layout import Layout
from tokser.store.locks import Locks
from tokser.store.lookup_layer import table_checksum
from tokser.store.objects import LocalObjects
from tokser.store.overflow import require_finite
from tokser.store.schema import (
    FeatureSpec,
    GroupAttributes,
    GroupPlan,
    LookupSpec,
    RootAttributes,
    feature_identity,
)
from tokser.store.write_documents import write_group

__all__ = ["GroupWriter", "put_lookup"]


class GroupWriter:
    """Commits the shards of one group, or of a part of one.

    Attributes:
        layout: Where each utterance's rows lie, a `Layout` or `PartedLayout`.
        part_layout: The same of this part.
    """

    def __init__(
        self,
        backend: Backend,
        locks: Locks,
        root: RootAttributes,
        plan: GroupPlan,
        attributes: GroupAttributes,
        layout: Layout,
        ids: Sequence[str],
        group: str = "",
    ) -> None:
        self._backend, self._locks, self._root = backend, locks, root
        self._plan, self._attributes, self._group = plan, attributes, group or plan.name
        self.layout: Any = layout
        self.part_layout, self._ids = layout, ids
        self._buffer = np.empty(0, dtype=np.uint8)

    @property
    def address(self) -> str:
        """The store and the group, for messages."""
        return f"{self._backend.address}, {self._plan.name}"

    @property
    def identity(self) -> str:
        """Digest of what the group is: the manifest, and all its features."""
        return digest_of([self._identity(name) for name in sorted(self._attributes.features)])

    def pending(self) -> dict[int, list[str]]:
        """Return the planned features that each shard still lacks, by shard."""
        missing: dict[int, list[str]] = {}
        for feature in self._plan.features:
            texts = self._backend.read_journal(self._key(feature), self.part_layout.num_shards)
            for shard, text in enumerate(texts):
                if not self._is_entry(feature, shard, text):
                    missing.setdefault(shard, []).append(feature)
        return dict(sorted(missing.items()))

    def claims(self) -> Iterator[Claim]:
        """Yield every pending shard once, each under its lock; commit it before the next.

        Shards that another process is computing come last: when it has committed them, with
        nothing left to do, or, should it die, to be computed here.
        """
        return self.claim(self.pending()).one_by_one()

    def claim(self, shards: Iterable[int]) -> Claims:
        """Return claims on shards, of which several can be held at once."""
        return Claims(shards, self.lock, self.lacking)

    def lock(self, shard: int) -> AbstractContextManager[bool]:
        """Try to take a shard; yields whether it is ours until the block ends."""
        return self._locks.shard(self._plan.name, shard)

    def commit(
        self,
        shard: int,
        rows: Mapping[str, Sequence[NDArray[Any] | None]],
        quarantined: Mapping[str, str],
        recordings: Sequence[Recording] = (),
    ) -> dict[str, JournalEntry]:
        """Write one whole shard of each named feature, then its journal entries.

        Args:
            shard: Number of the shard.
            rows: For each feature, an array [rows, dim] per utterance of the shard, in order;
                None for an utterance in quarantine.
            quarantined: Reasons, by id.
            recordings: What was encoded, for each utterance in order; none for text.

        Returns:
            What the journal says of the shard now, by feature.

        Raises:
            RunError: Row counts differ from the plan, or a value does not fit the dtype.
            StoreMismatchError: The group was dropped or planned again since this writer was made.
        """
        self._require_unchanged(rows)
        entries = {}
        for feature, blocks in rows.items():
            spec = self._attributes.features[feature]
            flat, checksums = self._assemble(shard, feature, spec, blocks)
            name = self._key(feature)
            written = self._backend.write_shard(name, shard, flat, spec, self.part_layout)
            entry = JournalEntry(
                shard=shard,
                identity=self._identity(feature),
                first_utterance=self.part_layout.shard_utterances(shard)[0],
                checksums=checksums,
                quarantined=dict(quarantined),
                num_bytes=written.num_bytes,
                file_digest=written.digest,
                recordings=tuple(recording.digest for recording in recordings),
                modified_ns=tuple(recording.modified_ns for recording in recordings),
            )
            self._backend.write_entry(name, shard, entry.to_text())
            entries[feature] = entry
        return entries

    def has_lookup(self, name: str) -> bool:
        """Whether the group has this lookup feature already."""
        return self.lookup_keys(name) is not None

    def lookup_keys(self, name: str) -> NDArray[np.int32] | None:
        """Return the keys of a lookup feature, None if the group has none of this name."""
        spec = self._attributes.lookups.get(name)
        if spec is None:
            return None
        return np.asarray(self._backend.read_lookup(self._key(name), spec.place)[0])

    def put_lookup(
        self, name: str, *, ids: str, keys: NDArray[np.int32], table: NDArray[Any]
    ) -> None:
        """Write a lookup feature: sorted keys [keys] and their rows [keys, dim].

        One that is there is replaced: readers see the old table or the new one, whole. The same
        table that another process has written meanwhile stays.
        """
        with self._locks.plan():
            found = read_group(self._backend, self._plan.name)
            there = found.lookups.get(name)
            if (
                there is not None
                and there != self._attributes.lookups.get(name)
                and there.checksum == table_checksum(keys, table)
            ):
                self._attributes = found
                return
            self._attributes = put_lookup(
                self._backend, self._plan.name, name, ids=ids, keys=keys, table=table
            )

    def _require_unchanged(self, features: Iterable[str]) -> None:
        """Raise if what is to be committed is not what the store has planned any more."""
        root, found = read_root(self._backend), None
        if self._group in root.groups and root.removing is None:
            found = read_group(self._backend, self._plan.name)
        mine = self._attributes
        if (
            found is None
            or root.removed != self._root.removed
            or found.layout_digest != mine.layout_digest
            or found.provenance != mine.provenance
            or any(found.features.get(name) != mine.features[name] for name in features)
        ):
            raise StoreMismatchError(
                self.address,
                expected="the group as it was planned when this run began",
                got="none" if found is None else "one that was planned again, or made smaller",
                remedy="Run the same command again.",
            )

    def _key(self, feature: str) -> str:
        return f"{self._plan.name}/{feature}"

    def _identity(self, feature: str) -> str:
        return feature_identity(self._root, self._plan.name, feature, self._attributes)

    def lacking(self, shard: int) -> list[str]:
        """Name the planned features that a shard still lacks."""
        return [
            feature
            for feature in self._plan.features
            if not self._is_entry(
                feature, shard, self._backend.read_entry(self._key(feature), shard)
            )
        ]

    def _is_entry(self, feature: str, shard: int, text: str) -> bool:
        """Tell whether a journal's text is an entry; damage is an error, not work to redo."""
        if not text:
            return False
        key = self._key(feature)
        where = f"{self._backend.address}, {key}, shard {shard}"
        entry = parse_entry(text, shard=shard, identity=self._identity(feature), where=where)
        if isinstance(self._backend.objects, LocalObjects):
            file = self._backend.shard_key(key, shard, self._attributes.features[feature])
            entry.require_size(self._backend.objects.size(file), where)
        return True

    def _assemble(
        self, shard: int, feature: str, spec: FeatureSpec, blocks: Sequence[NDArray[Any] | None]
    ) -> tuple[NDArray[Any], tuple[str, ...]]:
        """Lay the utterances' rows into one buffer, and take their checksums."""
        layout = self.part_layout
        first, after = layout.shard_utterances(shard)
        first_row, after_row = layout.shard_rows(shard)
        flat = self._shard_buffer((after_row - first_row, *spec.row_shape), spec.dtype)
        flat[int(layout.row_lengths[first:after].sum()) :] = 0
        checksums = []
        for position, block in zip(range(first, after), blocks, strict=True):
            start = int(layout.row_starts[position]) - first_row
            target = flat[start : start + int(layout.row_lengths[position])]
            if block is None:
                target[...] = 0
            else:
                self._copy(block, target, feature, self._ids[position])
            checksums.append(checksum(target))
        return flat, tuple(checksums)

    def _shard_buffer(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Return rows for one shard; memory that the last one used, since new pages are slow."""
        num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        if self._buffer.nbytes < num_bytes:
            self._buffer = np.empty(num_bytes, dtype=np.uint8)
        rows: NDArray[Any] = self._buffer[:num_bytes].view(dtype).reshape(shape)
        return rows

    def _copy(
        self, block: NDArray[Any], target: NDArray[Any], feature: str, utterance: str
    ) -> None:
        where = f"{self._backend.address}, {self._plan.name}/{feature}, {utterance}"
        if block.shape != target.shape:
            raise RunError(
                where,
                expected=f"rows of shape {target.shape} as planned",
                got=str(block.shape),
                remedy="The recording changed since it was planned: scan the corpus again.",
            )
        with np.errstate(over="ignore"):
            target[...] = block
        require_finite(target, block, where)


def put_lookup(
    backend: Backend,
    group: str,
    name: str,
    *,
    ids: str,
    keys: NDArray[np.int32],
    table: NDArray[Any],
) -> GroupAttributes:
    """Write or replace a lookup feature; the caller holds the lock of the store's plan.

    Returns:
        What the group says about itself then.
    """
    key, found = f"{group}/{name}", read_group(backend, group)
    old = found.lookups.get(name)
    if old is None:
        backend.objects.delete(key)
    place = old.place + 1 if old else 0
    dtype: Literal["float16", "float32"] = "float32" if table.dtype == np.float32 else "float16"
    checksum_ = table_checksum(keys, table)
    spec = LookupSpec(ids=ids, dim=table.shape[1], dtype=dtype, checksum=checksum_, place=place)
    files = backend.put_lookup(key, {"keys": keys, "table": table}, place)
    others = {k: v for k, v in found.files.items() if not k.startswith(f"{key}/")}
    update = {"lookups": found.lookups | {name: spec}, "files": others | files}
    attributes = found.model_copy(update=update)
    write_group(backend, group, attributes)
    if old is not None:
        backend.delete_lookup(key, old.place)
    return attributes
