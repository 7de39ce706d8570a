"""Which store a call means, and where it writes when it is not told: beside that store."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from tokser.experiments.joined_store import JoinedStore
from tokser.provenance import Stamp
from tokser.store import Store, is_remote, open_store, store_name

__all__ = ["AnyStore", "address_of", "addresses_of", "folder_beside", "joined", "opened"]

AnyStore: TypeAlias = Store | str | Path
"""A store that is open, or the folder or URL of one."""


def address_of(store: AnyStore) -> str:
    """Return the folder or URL of a store."""
    return store.path if isinstance(store, Store) else str(store)


def opened(store: AnyStore) -> Store:
    """Return a store as it is now; one that is open is read again, so it shows what was added."""
    if not isinstance(store, Store):
        return open_store(str(store))
    store.reload()
    return store


def joined(stores: AnyStore | Sequence[AnyStore]) -> Store:
    """Return a store as it is now, or several that are read as one."""
    if isinstance(stores, Store | str | Path):
        return opened(stores)
    each = [opened(store) for store in stores]
    return each[0] if len(each) == 1 else JoinedStore(each)


def addresses_of(store: Store) -> str | tuple[str, ...]:
    """Return the folder or URL of a store, or of each of several that are read as one."""
    if isinstance(store, JoinedStore):
        return tuple(own.path for own in store.stores.values())
    return store.path


def folder_beside(store: Store, kind: str, name: str, stamp: Stamp) -> Path:
    """Return the folder of a result that is not named, `emodb-results/classify-1f2e3d4c5b6a`.

    The same call on the same data has the same folder, so it goes on, or is done. A store at a URL
    has its results in the working directory, several stores beside the first.

    Args:
        store: What the result is made from.
        kind: `results` or `runs`.
        name: How the folder's name begins.
        stamp: What decides the result.
    """
    several = isinstance(store, JoinedStore)
    path = store.first.path if isinstance(store, JoinedStore) else store.path
    home = Path() if is_remote(path) else Path(path).parent
    called = store.dataset if several else store_name(path)
    return home / f"{called}-{kind}" / f"{name}-{stamp.digest[:12]}"
