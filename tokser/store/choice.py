"""Which features of a store are meant."""

from collections.abc import Sequence

from tokser.errors import SettingsError, list_some
from tokser.store.reader import Store

__all__ = ["choose_features"]


def choose_features(store: Store, features: Sequence[str]) -> list[str]:
    """Return the features that are named, each once; all where none is.

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
    return list(dict.fromkeys(features)) or store.features
