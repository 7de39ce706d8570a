"""New versions of the utterance table: what changes, and writing one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import pandas as pd

from tokser.store.backend import Backend
from tokser.store.documents import ids_digest
from tokser.store.schema import RootAttributes, TableVersion
from tokser.store.table import cells, changed_rows, table_text
from tokser.store.write_documents import write_root

__all__ = ["TableChange", "compare_tables", "now", "write_version"]


@dataclass(frozen=True)
class TableChange:
    """What a new manifest makes of the utterance table.

    Attributes:
        text: CSV text of the new table: utterances of the store first, in its order.
        ids: Of the new table.
        added: Ids that the store does not have yet.
        missing: Ids that the new manifest does not have.
        changed: Ids by column in which their cells differ.
        new_columns: Columns that the table did not have.
        lost_columns: Columns that it has no more.
    """

    text: str
    ids: tuple[str, ...]
    added: tuple[str, ...]
    missing: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]
    new_columns: tuple[str, ...]
    lost_columns: tuple[str, ...]

    @property
    def only_adds(self) -> bool:
        """Whether utterances are added, and nothing else is changed."""
        return not (self.missing or self.changed or self.new_columns or self.lost_columns)

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return self.only_adds and not self.added

    @property
    def utterances(self) -> tuple[str, ...]:
        """Ids of the utterances of which a cell changes, in order."""
        found = {name for names in self.changed.values() for name in names}
        return tuple(name for name in self.ids if name in found)

    def describe(self) -> str:
        """Say in words what changes."""
        parts = [f"{column} of {len(names)} utterances" for column, names in self.changed.items()]
        parts += [f"{len(self.missing)} utterances fewer"] if self.missing else []
        parts += [f"{len(self.added)} utterances more"] if self.added else []
        parts += [f"column {column} added" for column in self.new_columns]
        parts += [f"column {column} gone" for column in self.lost_columns]
        return "; ".join(parts) or "nothing"


def compare_tables(old_text: str, new_text: str) -> TableChange:
    """Compare a store's table with a manifest, whose lines may have any order.

    Args:
        old_text: CSV text of the store's table.
        new_text: CSV text of the manifest.
    """
    old, new = cells(old_text), cells(new_text)
    kept = [name for name in old.index if name in new.index]
    added = [name for name in new.index if name not in old.index]
    table: pd.DataFrame = new.loc[[*kept, *added]]
    shared = [column for column in new.columns if column in old.columns]
    changed = {}
    for column in shared:
        rows = table.index[changed_rows(old, table, [column])]
        if len(rows):
            changed[column] = tuple(rows)
    return TableChange(
        text=table_text(table),
        ids=tuple(table.index),
        added=tuple(added),
        missing=tuple(name for name in old.index if name not in new.index),
        changed=changed,
        new_columns=tuple(column for column in new.columns if column not in shared),
        lost_columns=tuple(column for column in old.columns if column not in shared),
    )


def write_version(backend: Backend, root: RootAttributes, change: TableChange) -> RootAttributes:
    """Write a new version of the table; it counts from the moment that the root names it.

    Args:
        backend: The store; the caller holds the lock of its plan.
        root: What it says about itself now.
        change: The new table; no utterance may be missing in it.

    Returns:
        What the store says about itself afterwards.
    """
    number = root.version + 1
    files = backend.write_manifest(change.text, change.ids, number)
    version = TableVersion(
        number=number,
        created=now(),
        manifest_digest=sha256(change.text.encode()).hexdigest(),
        num_utterances=len(change.ids),
        ids_digest=ids_digest(change.ids),
        num_added=len(change.added),
        num_changed=len(change.utterances),
        columns=(*change.changed, *change.new_columns, *change.lost_columns),
        files=files,
    )
    grown = root.changed(
        version=number,
        versions=(*root.all_versions(), version),
        manifest_digest=version.manifest_digest,
        num_utterances=version.num_utterances,
        ids_digest=version.ids_digest,
        files=files,
    )
    write_root(backend, grown)
    return grown


def now() -> str:
    """Return the present moment, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
