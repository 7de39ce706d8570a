"""Writing a store: plan groups, commit shards, in any order, with resume."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from tokser.errors import RunError, SettingsError, StoreLockedError, StoreMismatchError
from tokser.store.journal import JournalEntry, checksum, layout_digest
from tokser.store.layer import Layer
from tokser.store.layout import Layout, pack
from tokser.store.reader import Store, parse_manifest
from tokser.store.schema import (
    RESERVED,
    FeatureSpec,
    GroupAttributes,
    GroupPlan,
    LookupSpec,
    RootAttributes,
)
from tokser.store.zarr_backend import ZarrBackend

__all__ = ["GroupWriter", "StoreWriter"]


class StoreWriter:
    """The one writer of a store, for as long as the `with` block lasts.

    Args:
        path: Folder of the store; made if it is not there.
        dataset: Name of the corpus.
        manifest_text: CSV text of the manifest; must be the one the store was made from.
        manifest_digest: sha256 of that text.

    Raises:
        StoreLockedError: Another process is writing.
        StoreMismatchError: The store belongs to another corpus or manifest.
    """

    def __init__(
        self, path: Path, *, dataset: str, manifest_text: str, manifest_digest: str
    ) -> None:
        self.path = path
        self._utterances = parse_manifest(manifest_text).index
        self._wanted = RootAttributes(
            dataset=dataset,
            manifest_digest=manifest_digest,
            num_utterances=len(self._utterances),
        )
        self._manifest_text = manifest_text
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(f"{path}.lock")

    @classmethod
    def reopen(cls, store: Store) -> "StoreWriter":
        """Return a writer that adds to a store which exists."""
        return cls(
            Path(store.path),
            dataset=store.dataset,
            manifest_text=store.manifest_text,
            manifest_digest=store.attributes.manifest_digest,
        )

    def __enter__(self) -> "StoreWriter":
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StoreLockedError(
                self.path,
                expected="no other writer",
                got="one that holds the lock",
                remedy="Wait until the other tokser is done with this store, then run this again.",
            ) from error
        try:
            self._backend = self._open_or_create()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def _open_or_create(self) -> ZarrBackend:
        try:
            backend = ZarrBackend.open(self.path, writable=True)
        except (FileNotFoundError, StoreMismatchError):
            return ZarrBackend.create(self.path, self._wanted, self._manifest_text)
        found = backend.root_attributes()
        for key in ("dataset", "manifest_digest"):
            old, new = getattr(found, key), getattr(self._wanted, key)
            if old != new:
                raise StoreMismatchError(
                    self.path,
                    expected=f"{key} {old} as in the store",
                    got=new,
                    remedy="The corpus differs from the one this store holds: "
                    "write to another store.",
                )
        return backend

    def plan_group(self, plan: GroupPlan) -> "GroupWriter":
        """Lay down a group, or find it again and check that the plan continues it.

        Raises:
            StoreMismatchError: The store holds a group of this name made otherwise.
            SettingsError: The name is one that stores keep for themselves.
        """
        if plan.name in RESERVED:
            raise SettingsError(
                f"{self.path}, {plan.name}",
                expected=f"a name other than {' and '.join(RESERVED)}",
                got=plan.name,
                remedy="Rename the folder of the encoder or run.",
            )
        root = self._backend.root_attributes()
        if plan.name in root.groups:
            attributes = self._backend.group_attributes(plan.name)
            layout = self._backend.read_layout(plan.name, attributes)
            plan.refuse_unless_same(attributes, layout.row_lengths, str(self.path))
        else:
            layout, attributes = self._create_group(plan)
            self._backend.set_root_attributes(
                root.model_copy(update={"groups": (*root.groups, plan.name)})
            )
        missing = {k: v for k, v in plan.features.items() if k not in attributes.features}
        for name, spec in missing.items():
            self._backend.create_feature(plan.name, name, spec, layout)
        if missing:
            attributes = attributes.model_copy(update={"features": attributes.features | missing})
            self._backend.set_group_attributes(plan.name, attributes)
        return GroupWriter(self._backend, plan, attributes, layout, self._utterances)

    def _create_group(self, plan: GroupPlan) -> tuple[Layout, GroupAttributes]:
        if not plan.lengths.any():
            raise RunError(
                f"{self.path}, {plan.name}",
                expected="at least one usable utterance",
                got=f"{len(plan.lengths)} that are not",
                remedy="Mend the corpus; nothing was written.",
            )
        row_bytes = {name: spec.row_bytes for name, spec in plan.features.items()}
        layout = pack(plan.lengths, row_bytes, plan.shard_bytes)
        attributes = GroupAttributes(
            kind=plan.kind,
            rows_per_shard=layout.rows_per_shard,
            rows_per_chunk=layout.rows_per_chunk,
            num_rows=layout.num_rows,
            layout_digest=layout_digest(layout),
            provenance=plan.provenance,
        )
        self._backend.create_group(plan.name, layout)
        self._backend.set_group_attributes(plan.name, attributes)
        return layout, attributes


class GroupWriter:
    """Commits the shards of one group.

    Attributes:
        layout: Where each utterance's rows lie.
    """

    def __init__(
        self,
        backend: ZarrBackend,
        plan: GroupPlan,
        attributes: GroupAttributes,
        layout: Layout,
        utterances: "pd.Index[str]",
    ) -> None:
        self._backend, self._plan, self._attributes = backend, plan, attributes
        self.layout, self._utterances = layout, utterances

    def pending(self) -> dict[int, list[str]]:
        """Return the planned features that each shard still lacks, by shard."""
        store = Store(self._backend)
        missing: dict[int, list[str]] = {}
        for feature in self._plan.features:
            for shard, entry in enumerate(Layer(store, self._plan.name, feature).entries):
                if entry is None:
                    missing.setdefault(shard, []).append(feature)
        return dict(sorted(missing.items()))

    def commit(
        self,
        shard: int,
        rows: Mapping[str, Sequence[NDArray[Any] | None]],
        quarantined: Mapping[str, str],
    ) -> None:
        """Write one whole shard of each named feature, then its journal entries.

        Args:
            shard: Number of the shard.
            rows: For each feature, an array [rows, dim] per utterance of the shard, in order;
                None for an utterance in quarantine.
            quarantined: Reasons, by id.

        Raises:
            RunError: Row counts differ from the plan, or a value does not fit the dtype.
        """
        for feature, blocks in rows.items():
            spec = self._attributes.features[feature]
            flat, checksums = self._assemble(shard, feature, spec, blocks)
            name = f"{self._plan.name}/{feature}"
            first_row, _ = self.layout.shard_rows(shard)
            num_bytes = self._backend.write_shard(name, shard, first_row, flat)
            entry = JournalEntry(
                shard=shard,
                layout=self._attributes.layout_digest,
                first_utterance=self.layout.shard_utterances(shard)[0],
                checksums=checksums,
                quarantined=dict(quarantined),
                num_bytes=num_bytes,
            )
            self._backend.commit(name, shard, entry.to_text())

    def has_lookup(self, name: str) -> bool:
        """Whether the group has this lookup feature already."""
        return name in self._attributes.lookups

    def put_lookup(
        self, name: str, *, ids: str, keys: NDArray[np.int32], table: NDArray[Any]
    ) -> None:
        """Write a lookup feature: sorted keys [keys] and their rows [keys, dim]."""
        digest = checksum(np.concatenate([keys.view(np.uint8), table.ravel().view(np.uint8)]))
        dtype: Literal["float16", "float32"] = "float32" if table.dtype == np.float32 else "float16"
        spec = LookupSpec(ids=ids, dim=table.shape[1], dtype=dtype, checksum=digest)
        self._backend.put_lookup(self._plan.name, name, {"keys": keys, "table": table})
        lookups = self._attributes.lookups | {name: spec}
        self._attributes = self._attributes.model_copy(update={"lookups": lookups})
        self._backend.set_group_attributes(self._plan.name, self._attributes)

    def _assemble(
        self, shard: int, feature: str, spec: FeatureSpec, blocks: Sequence[NDArray[Any] | None]
    ) -> tuple[NDArray[Any], tuple[str, ...]]:
        """Lay the utterances' rows into one buffer, and take their checksums."""
        layout = self.layout
        first, after = layout.shard_utterances(shard)
        first_row, after_row = layout.shard_rows(shard)
        wide = () if spec.dim is None else (spec.dim,)
        flat = np.zeros((after_row - first_row, *wide), dtype=spec.dtype)
        checksums = []
        for position, block in zip(range(first, after), blocks, strict=True):
            start = int(layout.row_starts[position]) - first_row
            target = flat[start : start + int(layout.row_lengths[position])]
            if block is not None:
                self._copy(block, target, feature, str(self._utterances[position]))
            checksums.append(checksum(target))
        return flat, tuple(checksums)

    def _copy(
        self, block: NDArray[Any], target: NDArray[Any], feature: str, utterance: str
    ) -> None:
        where = f"{self._backend.path}, {self._plan.name}/{feature}, {utterance}"
        if block.shape != target.shape:
            raise RunError(
                where,
                expected=f"rows of shape {target.shape} as planned",
                got=str(block.shape),
                remedy="The recording changed since it was planned: scan the corpus again.",
            )
        with np.errstate(over="ignore"):
            target[...] = block
        _require_finite(target, block, where)


def _require_finite(stored: NDArray[Any], source: NDArray[Any], where: str) -> None:
    """Raise if a value was not finite, or no longer is in the stored dtype."""
    if stored.dtype.kind != "f" or np.isfinite(stored).all():
        return
    largest = float(np.abs(source[np.isfinite(source)]).max(initial=0.0))
    num_bad = int((~np.isfinite(source)).sum())
    raise RunError(
        where,
        expected=f"finite values that {stored.dtype} holds",
        got=f"values up to {largest:.4g}, and {num_bad} not finite",
        remedy="Store this encoder with `--dtype float32`; if that fails too, "
        "its weights are damaged.",
    )
