"""Stage 4: mean and standard deviation over the rows of every feature, and more, into the store."""

from tokser.config import PoolSettings
from tokser.encoders.registered import ACOUSTIC
from tokser.errors import list_some
from tokser.extraction.add_encoder import add_encoder
from tokser.functionals.moments import MOMENTS, check_functionals
from tokser.functionals.pool import pool_features
from tokser.progress import say
from tokser.store import open_store
from tokser.store.selection import select_features

__all__ = ["pool"]


def pool(settings: PoolSettings) -> list[str]:
    """Write the functionals that the store lacks; return the names of all features in question.

    With `acoustic` the recordings are read, and their energy and pitch measured.

    Raises:
        SettingsError: The store has no such feature, or there is no such functional.
        StoreIncompleteError: A feature is incomplete.
        MissingInputError: The recordings are needed, and were moved.
    """
    wanted = check_functionals([*MOMENTS, *settings.functionals])
    store = open_store(settings.store, check=True)
    pooled = store.without_rows
    if pooled:
        say(f"{list_some(pooled, most=20)}: extracted as functionals, nothing to pool")
    named = [name for name in settings.features if name not in pooled]
    features = select_features(store, named) if named or not settings.features else []
    pool_features(store, features, wanted[len(MOMENTS) :])
    measured = add_encoder(store, ACOUSTIC, root=settings.root) if settings.acoustic else []
    return features + measured + [name for name in settings.features or pooled if name in pooled]
