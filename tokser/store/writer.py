"""Writing a store: plan groups, commit shards, in any order, by any number of processes."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tokser.errors import (
    CorruptStoreError,
    RunError,
    SettingsError,
    StoreLockedError,
    StoreMismatchError,
)
from tokser.store.address import backend_at, is_store
from tokser.store.descriptions import read_group, read_layout, read_root
from tokser.store.documents import damaged_files, ids_digest
from tokser.store.group_writer import GroupWriter
from tokser.store.growth import (
    add_part,
    create_group,
    describe_features,
    merged_lengths,
    pack_plan,
)
from tokser.store.journal import layout_digest
from tokser.store.layout import Layout, pack_into
from tokser.store.locks import Locks
from tokser.store.manifest_difference import manifest_difference
from tokser.store.objects import LocalObjects
from tokser.store.parted_writer import PartedGroupWriter
from tokser.store.reader import Store
from tokser.store.remove_groups import remove_features, remove_group
from tokser.store.schema import (
    GroupAttributes,
    GroupPlan,
    RootAttributes,
    not_a_store,
    require_names,
)
from tokser.store.table import ids_of
from tokser.store.versions import compare_tables, write_version
from tokser.store.write_documents import write_root

__all__ = ["StoreWriter", "pack_plan"]


class StoreWriter:
    """Adds to a store; any number of processes may, each shard is computed by one of them.

    Args:
        path: Folder or URL of the store; made if it is not there.
        dataset: Name of the corpus.
        manifest_text: CSV text of the manifest; must be the one the store was made from.
        manifest_digest: sha256 of that text.
        root: Folder that the recordings are read from.
        may_grow: Take a manifest with more utterances, after those of the store and in its order:
            they are added to the table, and groups that are planned grow by them.

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
        may_grow: bool = False,
    ) -> None:
        self.path = str(path)
        self._manifest_text, self._may_grow = manifest_text, may_grow
        self._ids = ids_of(manifest_text)
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
        if found.removing is not None:
            Store(self._backend)  # which says what to do
        if found.dataset != self._wanted.dataset:
            raise self._mismatch("dataset", found.dataset, self._wanted.dataset)
        if found.manifest_digest != self._wanted.manifest_digest:
            self._grow_table(found)
        elif damaged_files(self._backend, found.files):
            self._write_root(found)

    def _grow_table(self, root: RootAttributes) -> None:
        """Add utterances that the table does not have; refuse any other change."""
        old = Store(self._backend).manifest_text
        change = compare_tables(old, self._manifest_text)
        if change.only_adds and list(change.ids) == self._ids:
            if change.is_empty:
                return
            if self._may_grow:
                write_version(self._backend, root, change)
                return
        differences = f"{manifest_difference(old, self._manifest_text)}; {change.describe()}"
        new = f"{differences} ({self._wanted.manifest_digest})"
        raise self._mismatch("manifest_digest", root.manifest_digest, new)

    def _mismatch(self, key: str, old: str, new: str) -> StoreMismatchError:
        return StoreMismatchError(
            self.path,
            expected=f"{key} {old} as in the store",
            got=new,
            remedy="The corpus differs from the one this store holds: write to another store. If "
            "it is this corpus, corrected, run `tokser store update` with its manifest first; "
            "`tokser store remove` takes utterances out.",
        )

    def _write_root(self, root: RootAttributes) -> None:
        files = self._backend.write_manifest(self._manifest_text, self._ids, root.version)
        versions = root.versions
        if versions:
            versions = (*versions[:-1], versions[-1].model_copy(update={"files": files}))
        update = {"files": files, "versions": versions}
        write_root(self._backend, root.model_copy(update=update))

    def plan_group(self, plan: GroupPlan) -> "GroupWriter":
        """Write a group's description, or find it again and check that the plan continues it.

        Raises:
            StoreMismatchError: The store holds a group of this name made otherwise.
            SettingsError: The name is reserved, or a compression
                is not one of this format's.
        """
        self._refuse_settings(plan)
        with self._locks.plan():
            root = read_root(self._backend)
            _refuse_other_case(self.path, plan.name, root)
            if plan.name in root.groups:
                self._remove_uncommitted(plan)
                root = read_root(self._backend)
            if plan.name not in root.groups:
                root = self._add_group(plan, root)
            if root.format == 1:
                return self._writer(plan, root, *self._continue_group(plan), self._ids)
            return self._plan_parts(plan, root)

    def _add_group(self, plan: GroupPlan, root: RootAttributes) -> RootAttributes:
        if not plan.lengths.any():
            raise RunError(
                f"{self.path}, {plan.name}",
                expected="at least one usable utterance",
                got=f"{len(plan.lengths)} that are not",
                remedy="Fix the corpus; nothing was written.",
            )
        self._backend.objects.delete(plan.name)  # what a stopped `drop` left
        create_group(self._backend, plan, root, root.numbers if root.removed else None)
        root = root.model_copy(update={"groups": (*root.groups, plan.name)})
        write_root(self._backend, root)
        return root

    def _writer(
        self,
        plan: GroupPlan,
        root: RootAttributes,
        attributes: GroupAttributes,
        layout: Layout,
        ids: Sequence[str],
        group: str = "",
    ) -> GroupWriter:
        return GroupWriter(self._backend, self._locks, root, plan, attributes, layout, ids, group)

    def _plan_parts(self, plan: GroupPlan, root: RootAttributes) -> GroupWriter:
        """Plan what the group lacks of the table as a new part, and find the others again."""
        store = Store(self._backend)
        outdated = store.outdated(plan.name)
        if len(outdated):
            known = merged_lengths(store, plan, outdated)
            plan.refuse_unless_same(store.group(plan.name), known, self.path)
            add_part(self._backend, plan, root, outdated)
            store = Store(self._backend)
        writers = []
        for part in reversed(store.parts(plan.name)):  # what the first names, the others have
            own = plan.model_copy(update={"name": part.path, "lengths": part.layout.row_lengths})
            ids = [self._ids[i] if i >= 0 else "one that was removed" for i in part.positions]
            found = self._continue_group(own)
            writers.append(self._writer(own, root, *found, ids, plan.name))
        layout = Store(self._backend).layout(plan.name)
        if isinstance(layout, Layout):
            plan.refuse_unless_same(store.group(plan.name), layout.row_lengths, self.path)
            return writers[0]
        plan.refuse_unless_same(store.group(plan.name), layout.row_lengths, self.path)
        return PartedGroupWriter(writers[::-1], layout)

    def _refuse_settings(self, plan: GroupPlan) -> None:
        require_names(plan, self.path)
        for spec in plan.features.values():
            if spec.compression not in self._backend.compressions:
                raise SettingsError(
                    f"{self.path}, {plan.name}",
                    expected=f"a compression out of {', '.join(self._backend.compressions)}",
                    got=spec.compression,
                    remedy=f"These are what {self._backend.name} stores can use.",
                )

    def _remove_uncommitted(self, plan: GroupPlan) -> None:
        """Remove what is planned otherwise and has no committed shard: an encoder that failed."""
        attributes = read_group(self._backend, plan.name)
        if attributes.parts:
            return
        try:
            lengths = read_layout(self._backend, plan.name, attributes).row_lengths
        except CorruptStoreError:
            lengths = plan.lengths
        whole = plan.is_another(attributes, lengths)
        names = list(attributes.features) if whole else plan.features_unlike(attributes)
        num_shards = -(-attributes.num_rows // attributes.rows_per_shard)
        for name in names:
            if any(self._backend.read_journal(f"{plan.name}/{name}", num_shards)):
                return
        if not names:
            return
        try:
            self._locks.require_idle([plan.name], f"plan {plan.name} again")
        except StoreLockedError:
            return  # another process is at its first shards
        if whole:
            remove_group(self._backend, plan.name)
        else:
            remove_features(self._backend, plan.name, names)

    def _continue_group(self, plan: GroupPlan) -> tuple[GroupAttributes, Layout]:
        """Find a group again; small files of it that were damaged are written again."""
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
            numbers = self._backend.read_numbers(plan.name) if attributes.numbered else None
            files = attributes.files | self._backend.write_layout(plan.name, layout, numbers)
            lost = {n for n in attributes.lookups if any(f"/{n}/" in key for key in damaged)}
            lookups = {n: spec for n, spec in attributes.lookups.items() if n not in lost}
            update = {"files": files, "lookups": lookups}
            attributes = attributes.model_copy(update=update)
            attributes = describe_features(
                self._backend, plan.name, attributes, layout, attributes.features
            )
        missing = {k: v for k, v in plan.features.items() if k not in attributes.features}
        for name in missing:
            self._backend.objects.delete(f"{plan.name}/{name}")
        if missing:
            attributes = describe_features(self._backend, plan.name, attributes, layout, missing)
        return attributes, layout


def _refuse_other_case(path: str, group: str, root: RootAttributes) -> None:
    """Raise if a name differs from another's in case alone: on some disks it is the same."""
    for name in root.groups:
        if name != group and name.casefold() == group.casefold():
            raise SettingsError(
                f"{path}, {group}",
                expected=f"a name that differs from {name} in more than case",
                got=group,
                remedy="Rename the folder of the encoder or run; nothing was written.",
            )


def _refuse_unless_unfinished(folder: Path) -> None:
    """Raise unless a folder is new, empty, or a store whose creation was cut short."""
    ours = {"manifest", "ids", "utterances.h5"}
    if not folder.exists():
        return
    if not folder.is_dir():
        raise not_a_store(str(folder), "a file")
    if {entry.name for entry in folder.iterdir() if not entry.name.endswith(".partial")} - ours:
        raise not_a_store(str(folder), "a folder that holds something else")
