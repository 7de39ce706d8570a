"""Update: a corrected manifest becomes a new version of a store's utterance table.

The new table is written beside the old ones, then the root's document is replaced, in one step,
by one that names it: from then on it is the table. No row of a feature is touched. What a feature
lacks of the new table (utterances that were added, or whose transcript or length changed) is found
by comparing the version that its group was computed from with the present one; the next extract,
align or pool computes exactly that, as a new part of the group.

What must never happen: that a reader sees a table without its digest in the root, that the order
of the utterances that were there changes (their positions are how rows are found), that a number
is given to a second utterance, or that rows computed from an old transcript pass as up to date.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tokser.errors import SettingsError, list_some
from tokser.store.address import existing_backend
from tokser.store.locks import Locks
from tokser.store.reader import Store
from tokser.store.table import cells, changed_rows, columns_read
from tokser.store.versions import TableChange, compare_tables, write_version

__all__ = ["Update", "update_store"]


@dataclass(frozen=True)
class Update:
    """What an update of a store's table changed, or would change.

    Attributes:
        version: Number of the version of the table afterwards.
        change: What differs from the version before.
        outdated: Ids by feature of the utterances whose rows are to be computed again, or for the
            first time, by the same extract, align or pool.
    """

    version: int
    change: TableChange
    outdated: Mapping[str, tuple[str, ...]]


def update_store(address: str, manifest_text: str, *, dry_run: bool = False) -> Update:
    """Write a new version of the utterance table; no row of a feature is touched.

    Args:
        address: Folder or URL of the store.
        manifest_text: CSV text of the manifest, its lines in any order; utterances that the store
            does not have yet come last.
        dry_run: Change nothing.

    Raises:
        MissingInputError: There is no store at the address.
        SettingsError: The manifest lacks utterances of the store.
        StoreLockedError: Another process is stuck while it changes the store's plan.
    """
    backend = existing_backend(address)
    with Locks(backend).plan():
        store = Store(backend)
        change = compare_tables(store.manifest_text, manifest_text)
        if change.missing:
            raise SettingsError(
                address,
                expected="a manifest with every utterance of the store",
                got=f"one without {list_some(change.missing)}",
                remedy="Add them, or take them out of the store with `tokser store remove`.",
            )
        outdated = _outdated(store, change)
        version = store.version
        if not change.is_empty:
            version += 1
            if not dry_run:
                write_version(backend, store.attributes, change)
    return Update(version, change, outdated)


def _outdated(store: Store, change: TableChange) -> dict[str, tuple[str, ...]]:
    """Name by feature what it will lack of the new table."""
    new = cells(change.text)
    found: dict[str, tuple[str, ...]] = {}
    groups = {name: store.group(name) for name in store.groups}
    for group, about in groups.items():
        old = cells(store.table_of(about.table_version))
        lacking = changed_rows(old, new, columns_read(groups, group))
        before = np.zeros(len(new), dtype=bool)
        before[store.outdated(group)] = True  # it may be outdated already
        lacking |= before | new.index.isin(change.added)
        names = tuple(new.index[lacking])
        if names:
            found |= {f"{group}/{name}": names for name in (*about.features, *about.lookups)}
    return found
