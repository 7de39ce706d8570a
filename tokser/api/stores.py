"""Which store a call means, and where it writes when it is not told: beside that store."""

from pathlib import Path
from typing import TypeAlias

from tokser.provenance import Stamp
from tokser.store import Store, is_remote, open_store, store_name

__all__ = ["AnyStore", "address_of", "folder_beside", "opened"]

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


def folder_beside(store: Store, kind: str, name: str, stamp: Stamp) -> Path:
    """Return the folder of a result that is not named, `emodb-results/classify-1f2e3d4c5b6a`.

    The same call on the same data has the same folder, so it goes on, or is done. A store at a URL
    has its results in the working directory.

    Args:
        store: What the result is made from.
        kind: `results` or `runs`.
        name: How the folder's name begins.
        stamp: What decides the result.
    """
    home = Path() if is_remote(store.path) else Path(store.path).parent
    return home / f"{store_name(store.path)}-{kind}" / f"{name}-{stamp.digest[:12]}"
