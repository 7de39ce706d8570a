"""Writing a store: plan groups, commit shards, in any order, by any number of processes."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tokser.errors import (
    CorruptStoreError,
    RunError,
    SettingsError,
    StoreError,
    StoreMismatchError,
)
from tokser.provenance import digest_of
from tokser.store.address import backend_at, is_store
from tokser.store.backend import Backend
from tokser.store.claims import Claim, Claims
from tokser.store.documents import damaged_files, ids_digest, with_digest
from tokser.store.journal import JournalEntry, checksum, layout_digest, parse_entry
from tokser.store.layer import table_checksum
from tokser.store.layout import Layout, pack, pack_into
from tokser.store.locks import Locks
from tokser.store.manifest_difference import manifest_difference
from tokser.store.objects import LocalObjects
from tokser.store.overflow import require_finite
from tokser.store.reader import (
    Store,
    feature_identity,
    parse_manifest,
    read_group,
    read_layout,
    read_root,
)
from tokser.store.schema import (
    RESERVED,
    FeatureSpec,
    GroupAttributes,
    GroupPlan,
    LookupSpec,
    RootAttributes,
    not_a_store,
)

__all__ = ["GroupWriter", "Recording", "StoreWriter", "pack_plan"]


@dataclass(frozen=True)
class Recording:
    """What a recording was when it was encoded."""

    digest: str
    """xxh3-64 (hex) of its file."""
    modified_ns: int
    """When it had last been changed, in ns since 1970."""


class StoreWriter:
    """Adds to a store; any number of processes may, each shard is computed by one of them.

    Args:
        path: Folder or URL of the store; made if it is not there.
        dataset: Name of the corpus.
        manifest_text: CSV text of the manifest; must be the one the store was made from.
        manifest_digest: sha256 of that text.
        root: Folder that the recordings are read from.

    Raises:
        StoreLockedError: Another process is stuck while it changes the store's plan.
        StoreMismatchError: The store belongs to another corpus or manifest.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        dataset: str,
        manifest_text: str,
        manifest_digest: str,
        root: str = "",
    ) -> None:
        self.path = str(path)
        self._manifest_text = manifest_text
        self._ids = [str(name) for name in parse_manifest(manifest_text).index]
        self._wanted = RootAttributes(
            dataset=dataset,
            root=root,
            manifest_digest=manifest_digest,
            num_utterances=len(self._ids),
            ids_digest=ids_digest(self._ids),
        )
        self._backend = backend_at(self.path)
        self._locks = Locks(self._backend)

    @classmethod
    def reopen(cls, store: Store, *, at: str | None = None) -> "StoreWriter":
        """Return a writer that adds to a store which exists, or to its like at another place."""
        return cls(
            at or store.path,
            dataset=store.dataset,
            manifest_text=store.manifest_text,
            manifest_digest=store.attributes.manifest_digest,
            root=store.attributes.root,
        )

    def __enter__(self) -> "StoreWriter":
        with self._locks.plan():
            self._open_or_create()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held between writes."""

    def _open_or_create(self) -> None:
        if not is_store(self._backend):
            if isinstance(self._backend.objects, LocalObjects):
                _refuse_unless_unfinished(self._backend.objects.folder)
            self._write_root(self._wanted)
            return
        found = read_root(self._backend)
        for key in ("dataset", "manifest_digest"):
            old, new = getattr(found, key), getattr(self._wanted, key)
            if old != new:
                told = self._changed() if key == "manifest_digest" else ""
                raise StoreMismatchError(
                    self.path,
                    expected=f"{key} {old} as in the store",
                    got=f"{told} ({new})" if told else new,
                    remedy="The corpus differs from the one this store holds: "
                    "write to another store.",
                )
        if damaged_files(self._backend, found.files):
            self._write_root(found)

    def _changed(self) -> str:
        """Say what of the manifest differs, as far as the store's own can be read."""
        try:
            return manifest_difference(self._backend.manifest_text(), self._manifest_text)
        except (StoreError, OSError, ValueError, LookupError):
            return ""

    def _write_root(self, root: RootAttributes) -> None:
        files = self._backend.write_manifest(self._manifest_text, self._ids)
        _write_root(self._backend, root.model_copy(update={"files": files}))

    def plan_group(self, plan: GroupPlan) -> "GroupWriter":
        """Lay down a group, or find it again and check that the plan continues it.

        Raises:
            StoreMismatchError: The store holds a group of this name made otherwise.
            SettingsError: The name is one that stores keep for themselves, or a compression
                is not one of this format's.
        """
        self._refuse_settings(plan)
        with self._locks.plan():
            root = read_root(self._backend)
            if plan.name in root.groups:
                attributes, layout = self._continue_group(plan)
            else:
                attributes, layout = self._create_group(plan)
                root = root.model_copy(update={"groups": (*root.groups, plan.name)})
                _write_root(self._backend, root)
            missing = {k: v for k, v in plan.features.items() if k not in attributes.features}
            for name in missing:
                self._backend.objects.delete(f"{plan.name}/{name}")
            if missing:
                attributes = self._describe(plan.name, attributes, layout, missing)
        return GroupWriter(self._backend, self._locks, root, plan, attributes, layout, self._ids)

    def _refuse_settings(self, plan: GroupPlan) -> None:
        if plan.name in RESERVED:
            raise SettingsError(
                f"{self.path}, {plan.name}",
                expected=f"a name other than {' and '.join(RESERVED)}",
                got=plan.name,
                remedy="Rename the folder of the encoder or run.",
            )
        for spec in plan.features.values():
            if spec.compression not in self._backend.compressions:
                raise SettingsError(
                    f"{self.path}, {plan.name}",
                    expected=f"a compression out of {', '.join(self._backend.compressions)}",
                    got=spec.compression,
                    remedy=f"These are what {self._backend.name} stores can use.",
                )

    def _continue_group(self, plan: GroupPlan) -> tuple[GroupAttributes, Layout]:
        """Find a group again; small files of it that were damaged are written anew."""
        attributes = read_group(self._backend, plan.name)
        damaged = damaged_files(self._backend, attributes.files)
        try:
            layout = read_layout(self._backend, plan.name, attributes)
        except CorruptStoreError:
            layout = pack_into(plan.lengths, attributes.rows_per_shard, attributes.rows_per_chunk)
            if layout_digest(layout) != attributes.layout_digest:
                raise
        plan.refuse_unless_same(attributes, layout.row_lengths, self.path)
        if damaged:
            files = attributes.files | self._backend.write_layout(plan.name, layout)
            lost = {n for n in attributes.lookups if any(f"/{n}/" in key for key in damaged)}
            lookups = {n: spec for n, spec in attributes.lookups.items() if n not in lost}
            update = {"files": files, "lookups": lookups}
            attributes = attributes.model_copy(update=update)
            attributes = self._describe(plan.name, attributes, layout, attributes.features)
        return attributes, layout

    def _describe(
        self,
        group: str,
        attributes: GroupAttributes,
        layout: Layout,
        features: Mapping[str, FeatureSpec],
    ) -> GroupAttributes:
        """Write the descriptions of features, and the group's document."""
        files = dict(attributes.files)
        for name, spec in features.items():
            files |= self._backend.describe_feature(f"{group}/{name}", spec, layout)
        update = {"features": attributes.features | dict(features), "files": files}
        attributes = attributes.model_copy(update=update)
        _write_group(self._backend, group, attributes)
        return attributes

    def _create_group(self, plan: GroupPlan) -> tuple[GroupAttributes, Layout]:
        if not plan.lengths.any():
            raise RunError(
                f"{self.path}, {plan.name}",
                expected="at least one usable utterance",
                got=f"{len(plan.lengths)} that are not",
                remedy="Mend the corpus; nothing was written.",
            )
        layout = pack_plan(plan)
        attributes = GroupAttributes(
            kind=plan.kind,
            rows_per_shard=layout.rows_per_shard,
            rows_per_chunk=layout.rows_per_chunk,
            num_rows=layout.num_rows,
            layout_digest=layout_digest(layout),
            provenance=plan.provenance,
            source=plan.source,
            files=self._backend.write_layout(plan.name, layout),
        )
        _write_group(self._backend, plan.name, attributes)
        return attributes, layout


def pack_plan(plan: GroupPlan) -> Layout:
    """Return the layout that a planned group will have."""
    if plan.cut is not None:
        return pack_into(plan.lengths, *plan.cut)
    row_bytes = {name: spec.row_bytes for name, spec in plan.features.items()}
    return pack(plan.lengths, row_bytes, plan.shard_bytes)


class GroupWriter:
    """Commits the shards of one group.

    Attributes:
        layout: Where each utterance's rows lie.
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
    ) -> None:
        self._backend, self._locks, self._root = backend, locks, root
        self._plan, self._attributes = plan, attributes
        self.layout, self._ids = layout, ids
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
            texts = self._backend.read_journal(self._key(feature), self.layout.num_shards)
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
        name = self._plan.name
        return Claims(shards, lambda shard: self._locks.shard(name, shard), self._lacking)

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
        """
        entries = {}
        for feature, blocks in rows.items():
            spec = self._attributes.features[feature]
            flat, checksums = self._assemble(shard, feature, spec, blocks)
            name = self._key(feature)
            written = self._backend.write_shard(name, shard, flat, spec, self.layout)
            entry = JournalEntry(
                shard=shard,
                identity=self._identity(feature),
                first_utterance=self.layout.shard_utterances(shard)[0],
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
        return name in self._attributes.lookups

    def put_lookup(
        self, name: str, *, ids: str, keys: NDArray[np.int32], table: NDArray[Any]
    ) -> None:
        """Write a lookup feature: sorted keys [keys] and their rows [keys, dim]."""
        dtype: Literal["float16", "float32"] = "float32" if table.dtype == np.float32 else "float16"
        digest = table_checksum(keys, table)
        spec = LookupSpec(ids=ids, dim=table.shape[1], dtype=dtype, checksum=digest)
        with self._locks.plan():
            files = self._backend.put_lookup(self._key(name), {"keys": keys, "table": table})
            found = read_group(self._backend, self._plan.name)
            update = {"lookups": found.lookups | {name: spec}, "files": found.files | files}
            self._attributes = found.model_copy(update=update)
            _write_group(self._backend, self._plan.name, self._attributes)

    def _key(self, feature: str) -> str:
        return f"{self._plan.name}/{feature}"

    def _identity(self, feature: str) -> str:
        return feature_identity(self._root, self._plan.name, feature, self._attributes)

    def _lacking(self, shard: int) -> list[str]:
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
        layout = self.layout
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


def _write_root(backend: Backend, root: RootAttributes) -> None:
    backend.write_document("", with_digest(root.model_dump(mode="json")))


def _write_group(backend: Backend, name: str, attributes: GroupAttributes) -> None:
    backend.write_document(name, with_digest(attributes.model_dump(mode="json")))


def _refuse_unless_unfinished(folder: Path) -> None:
    """Raise unless a folder is new, empty, or a store whose creation was cut short."""
    ours = {"manifest", "ids", "utterances.h5"}
    if not folder.exists():
        return
    if not folder.is_dir():
        raise not_a_store(str(folder), "a file")
    if {entry.name for entry in folder.iterdir() if not entry.name.endswith(".partial")} - ours:
        raise not_a_store(str(folder), "a folder that holds something else")
