"""The functionals of a feature as one table, in any selection."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tokser.errors import SettingsError, list_some
from tokser.functionals.moments import MOMENTS, check_functionals
from tokser.store import FeatureName, Store

__all__ = ["read_functionals", "stored_name"]


def stored_name(feature: str, functional: str) -> str:
    """Return where a functional beyond mean and std lies: `functionals/wavlm-base/layer-9@max`."""
    return str(FeatureName.parse(feature).functionals(functional))


def read_functionals(
    store: Store, feature: str, functionals: Sequence[str] = MOMENTS
) -> pd.DataFrame:
    """Read functionals side by side, in the order of their names in the call.

    Args:
        store: The store.
        feature: A pooled feature.
        functionals: `mean`, `std`, `min`, `max`, `q25`...

    Returns:
        float32 [utterances, functionals * dim]; index = id, columns `mean_0`... A feature of whole
        utterances has one row, whose mean is itself, so it is returned as it is, [utterances, dim].

    Raises:
        SettingsError: There are no such functionals, or they are not in the store.
    """
    wanted = check_functionals(functionals)
    if store.is_utterance_level(feature):
        _require_whole(store, feature, wanted)
        return store.functionals(feature)
    lacking = [
        name for name in wanted if name not in MOMENTS and stored_name(feature, name) not in store
    ]
    if lacking:
        options = " ".join(f"--functional {name}" for name in lacking)
        raise SettingsError(
            f"{store.path}, {feature}",
            expected=f"the functionals {list_some(lacking)}",
            got="a store without them",
            remedy=f"Run `tokser pool --store {store.path} --feature {feature} {options}`.",
        )
    moments = store.functionals(feature)
    if wanted == MOMENTS:
        return moments
    dim = moments.shape[1] // len(MOMENTS)
    tables = []
    for name in wanted:
        if name in MOMENTS:
            first = MOMENTS.index(name) * dim
            tables.append(moments.iloc[:, first : first + dim])
        else:
            layer = store[stored_name(feature, name)]
            rows = np.asarray(layer.ragged(layer.ids).rows)
            columns = [f"{name}_{i}" for i in range(dim)]
            tables.append(pd.DataFrame(rows, index=pd.Index(layer.ids, name="id"), columns=columns))
    return pd.concat(tables, axis=1, join="inner")


def _require_whole(store: Store, feature: str, wanted: Sequence[str]) -> None:
    """Refuse functionals of a feature that has one row for each utterance."""
    if "mean" not in wanted:
        raise SettingsError(
            f"{store.path}, {feature}",
            expected="no functionals: it is a vector of each utterance already",
            got=list_some(wanted),
            remedy=f"Write {feature} by itself.",
        )
