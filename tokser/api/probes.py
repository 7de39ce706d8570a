"""`tokser.probe`, `tokser.similarity`: what a store's features know, and how alike they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import pandas as pd

from tokser.api.options import ProbeOptions, SimilarityOptions
from tokser.api.stores import AnyStore, address_of
from tokser.config import ProbeSettings, SimilaritySettings
from tokser.config.keywords import settings_from
from tokser.missing_packages import names_missing_packages
from tokser.stages.probe import probe as run_probe
from tokser.stages.similarity import similarity as run_similarity

__all__ = ["probe", "similarity"]


@names_missing_packages
def probe(
    store: AnyStore,
    *,
    features: str | Sequence[str] | None = None,
    targets: str | Sequence[str] | None = None,
    out: str | Path | None = None,
    **options: Unpack[ProbeOptions],
) -> pd.DataFrame:
    """Predict targets from every feature of a store, for speakers that were not trained on.

    Args:
        store: With functionals.
        features: Names or patterns such as `whisper-base/layer-*`; without, all that are pooled.
        targets: `emotion`, `speaker`, `sex`, `language`, `sentence`, `duration`, `energy`, `f0`, or
            columns of the manifest; without, all that there are.
        out: Folder of the table and of the curves; without, nothing is written.
        **options: As `tokser probe --help` shows them: `head`, `seed`, `check`.

    Returns:
        A row for each target and feature, with `score` (UAR or CCC), `low` and `high`, `control`,
        `selectivity`.

    Raises:
        InputError: A keyword, a feature, a target or the folder is not what it should be.
        StoreError: The store is damaged.

    Example:
        >>> import tokser
        >>> table = tokser.probe("workspace/stores/emodb.zarr", targets=["emotion", "sex"])
        >>> sorted(set(table["target"]))
        ['emotion', 'sex']
    """
    keywords = {
        "store": address_of(store),
        "features": () if features is None else features,
        "targets": () if targets is None else targets,
        "out": out,
        **options,
    }
    return run_probe(settings_from(ProbeSettings, keywords, where="tokser.probe"))


@names_missing_packages
def similarity(
    store: AnyStore,
    *,
    features: str | Sequence[str] | None = None,
    out: str | Path | None = None,
    **options: Unpack[SimilarityOptions],
) -> pd.DataFrame:
    """Compare every two features of a store by linear CKA and by ridge regression.

    Args:
        store: With functionals.
        features: Names or patterns such as `whisper-base/layer-*`; without, all that are pooled.
        out: Folder of the table and of the heat maps; without, nothing is written.
        **options: As `tokser similarity --help` shows them: `frames_per_utterance`, `seed`...

    Returns:
        Of `utterances` and `frames` (`over`) a row for each pair, with `first`, `second`, `cka`,
        `cka_low`, `cka_high`, `r2` of `second` predicted from `first`, `num_samples`.

    Raises:
        InputError: A keyword, a feature or the folder is not what it should be.
        StoreError: The store is damaged.

    Example:
        >>> import tokser
        >>> table = tokser.similarity("workspace/stores/emodb.zarr")
        >>> sorted(set(table["over"]))
        ['frames', 'utterances']
    """
    keywords = {
        "store": address_of(store),
        "features": () if features is None else features,
        "out": out,
        **options,
    }
    return run_similarity(settings_from(SimilaritySettings, keywords, where="tokser.similarity"))
