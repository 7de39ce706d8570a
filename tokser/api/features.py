"""`tokser.extract` and `tokser.pool`: from recordings to a store of activations and functionals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from tokser.api.options import ExtractOptions, PoolOptions
from tokser.api.stores import AnyStore, address_of, opened
from tokser.config import ExtractSettings, PoolSettings
from tokser.config.keywords import settings_from
from tokser.errors import list_some
from tokser.missing_packages import names_missing_packages
from tokser.notebook import without_widgets
from tokser.progress import warn
from tokser.store import Store, open_store

__all__ = ["extract", "pool"]


@names_missing_packages
def extract(
    dataset: str,
    *,
    root: str | Path,
    encoders: str | Sequence[str],
    store: AnyStore,
    layers: str = "last",
    **options: Unpack[ExtractOptions],
) -> Store:
    """Run frozen encoders over a corpus, once, and keep every activation in a store.

    What is in the store already is kept, so the same call goes on where it was stopped.

    Args:
        dataset: A corpus that tokser knows (`ravdess`), the one that `corpus=` declares, or a name
            of your choice with `manifest=`.
        root: The corpus's own folder.
        encoders: Hub ids (`openai/whisper-base`) or local folders of speech and text encoders.
        store: Where the store is, or will be: `emodb.zarr`, `emodb.h5` or a URL.
        layers: `last`, `all`, or a list such as `0,3,6`.
        **options: As `tokser extract --help` shows them: `context`, `precision`, `dtype`...

    Returns:
        The store; `store.quarantined` says which recordings could not be used, and why.

    Raises:
        InputError: A keyword, the corpus, an encoder or the store is not what it should be.
        RunError: An encoder computed values that the store's dtype cannot hold.

    Example:
        >>> import tokser
        >>> store = tokser.extract(
        ...     "emodb",
        ...     root="corpora/emodb",
        ...     encoders="openai/whisper-base",
        ...     layers="0,3",
        ...     store="two-layers.zarr",
        ... )
        >>> store.features
        ['whisper-base/layer-0', 'whisper-base/layer-3']
    """
    without_widgets()
    from tokser.stages.extract import extract as run  # torch, where it is needed

    main = {"dataset": dataset, "root": root, "encoders": encoders, "layers": layers}
    keywords = {**main, "store": address_of(store), **options}
    done = run(settings_from(ExtractSettings, keywords, where="tokser.extract"))
    if done.quarantined:
        some = [f"{name} ({reason})" for name, reason in done.quarantined.items()]
        warn(f"{len(some)} utterances are in quarantine: {list_some(some, most=3)}")
    return opened(store) if isinstance(store, Store) else open_store(done.store)


@names_missing_packages
def pool(
    store: AnyStore, *, features: str | Sequence[str] | None = None, **options: Unpack[PoolOptions]
) -> Store:
    """Write mean and standard deviation over the rows of features into their store.

    Args:
        store: The store.
        features: Names of features; without, all of them.
        **options: As `tokser pool --help` shows them: `functionals=["max"]`.

    Returns:
        The store; `store.pooled` names what has functionals.

    Raises:
        SettingsError: A keyword or a feature is unknown, or there is no such functional.
        StoreIncompleteError: A feature is incomplete.

    Example:
        >>> import tokser
        >>> store = tokser.pool("workspace/stores/emodb.zarr", features="whisper-base/layer-0")
        >>> "whisper-base/layer-0" in store.pooled
        True
    """
    from tokser.stages.pool import pool as run

    keywords = {"store": address_of(store), "features": features, **options}
    run(settings_from(PoolSettings, keywords, where="tokser.pool"))
    return opened(store)
