"""`tokser.similarity`: from a store to how alike its features are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from tokser.api.options import SimilarityOptions
from tokser.api.stores import AnyStore, address_of
from tokser.config import SimilaritySettings
from tokser.config.keywords import settings_from
from tokser.stages.similarity import similarity as run_similarity

__all__ = ["similarity"]


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
        A row for `utterances` or `frames` (`over`) and each pair: `first`, `second`, `cka`, `r2` of
        `second` predicted from `first`, `num_samples`.

    Raises:
        InputError: A keyword, a feature or the folder is not what it should be.
        StoreError: The store is damaged.
    """
    keywords: dict[str, Any] = {
        "store": address_of(store),
        "features": () if features is None else features,
        "out": out,
        **options,
    }
    return run_similarity(settings_from(SimilaritySettings, keywords, where="tokser.similarity"))
