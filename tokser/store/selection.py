"""Selection of features of a store, by name or all."""

from collections.abc import Sequence

from tokser.errors import SettingsError, list_some
from tokser.progress import warn
from tokser.store.reader import Store

__all__ = ["select_features"]


def select_features(store: Store, features: Sequence[str], *, tell: bool = True) -> list[str]:
    """Return the features that are named, each once; where none is, all that hold something.

    Args:
        store: The store.
        features: Their names.
        tell: Print which are left out because nothing of them is committed.

    Raises:
        SettingsError: The store has no such feature.
    """
    unknown = [name for name in features if name not in store.features]
    if unknown:
        raise SettingsError(
            store.path,
            expected=f"some of the features {list_some(store.features, most=20)}",
            got=list_some(unknown, most=20),
            remedy=f"`tokser store info {store.path}` lists them.",
        )
    if features:
        return list(dict.fromkeys(features))
    nothing = store.uncommitted
    if nothing and tell and len(nothing) < len(store.features):
        warn(
            f"{list_some(nothing, most=20)}: nothing is committed, left out "
            f"(`tokser store drop {store.path}` removes it)"
        )
    return [name for name in store.features if name not in nothing] or store.features
