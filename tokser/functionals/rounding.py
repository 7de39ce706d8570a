"""How far rounding alone may move functionals: what spreads no wider than this is constant."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float64, Num

from tokser.functionals.moments import MOMENTS, check_functionals
from tokser.functionals.tables import read_functionals
from tokser.store import FeatureName, Store

__all__ = [
    "COMPUTED",
    "STORED",
    "read_rounding",
    "read_with_rounding",
    "rounding_bound",
    "rounding_of",
    "rounding_of_vectors",
    "row_roundoff",
]

STORED = {"float16": 2.0**-11, "float32": 2.0**-24}
"""Unit roundoff of each type of stored rows, relative to a value."""
_SMALLEST = {"float16": 2.0**-25, "float32": 2.0**-150}
"""What rounding costs at least: half the distance of the smallest numbers of a type."""
COMPUTED = {"float32": 1e-5, "bfloat16": 2.0**-8, "float16": 2.0**-11}
"""Relative change of an activation that is computed again, in another batch, by the precision of
its encoder: what float32 is tested to, and the unit roundoff of the short types."""


def read_rounding(store: Store, feature: str, functionals: Sequence[str] = MOMENTS) -> pd.DataFrame:
    """Return what rounding may change of each number that `read_functionals` reads.

    Args:
        store: The store.
        feature: A pooled feature.
        functionals: As in `read_functionals`.

    Returns:
        float32 [utterances, functionals * dim], with the same ids and columns.
    """
    return read_with_rounding(store, feature, functionals)[1]


def read_with_rounding(
    store: Store, feature: str, functionals: Sequence[str] = MOMENTS
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what `read_functionals` and `read_rounding` do; each is read once."""
    values = read_functionals(store, feature, functionals)
    if store.is_utterance_level(feature):
        return values, rounding_of_vectors(values)
    moments = values
    if tuple(functionals) != MOMENTS:
        moments = store.functionals(feature).loc[values.index]
    dtype, precision = _made_as(store, feature)
    made_as = {"dtype": dtype, "precision": precision}
    return values, rounding_of(values, moments.to_numpy(), functionals, **made_as)


def rounding_of_vectors(values: pd.DataFrame) -> pd.DataFrame:
    """Return what rounding may change of vectors of whole utterances, which are kept in float32."""
    moments = np.hstack([values.to_numpy(), np.zeros(values.shape, dtype=np.float32)])
    return rounding_of(values, moments, ("mean",), dtype="float32", precision="float32")


def row_roundoff(store: Store, feature: str) -> float:
    """Return how far rounding may have moved a number of a feature's rows, relative to it."""
    dtype, precision = _made_as(store, feature)
    return STORED[dtype] + COMPUTED.get(precision, COMPUTED["float32"])


def _made_as(store: Store, feature: str) -> tuple[str, str]:
    """Return the type of a feature's rows, and the precision of its encoder.

    Where only functionals were stored nothing names the type of the rows: it counts as float16,
    the default and the coarsest.
    """
    made_by = store[str(FeatureName.parse(feature).functionals())].provenance.get("source", {})
    if store.is_utterance_level(feature):
        return "float32", "float32"
    dtype = str(store[feature].dtype) if feature in store else "float16"
    return dtype, str(made_by.get("precision", "float32"))


def rounding_of(
    values: pd.DataFrame,
    moments: Num[np.ndarray, "utterances twice_dim"],
    functionals: Sequence[str],
    *,
    dtype: str,
    precision: str,
) -> pd.DataFrame:
    """Return what rounding may change of functionals.

    Args:
        values: [utterances, functionals * dim].
        moments: Mean and standard deviation of the same utterances.
        functionals: Which they are, in order.
        dtype: Type of the rows that they were taken of, `float16` or `float32`.
        precision: Of the encoder, `float32`, `bfloat16` or `float16`.

    Returns:
        float32, index and columns as those of the values.
    """
    mean, std = np.hsplit(moments.astype(np.float64), 2)
    roundoff = STORED[dtype] + COMPUTED.get(precision, COMPUTED["float32"])
    size, dim, bounds = np.hypot(mean, std), mean.shape[1], []
    for number, name in enumerate(check_functionals(functionals)):
        own = values.iloc[:, number * dim : (number + 1) * dim].to_numpy(dtype=np.float64)
        bounds.append(rounding_bound(name, own, size, roundoff) + _SMALLEST[dtype])
    return pd.DataFrame(
        np.concatenate(bounds, axis=1).astype(np.float32),
        index=values.index,
        columns=values.columns,
        copy=False,
    )


def rounding_bound(
    functional: str,
    values: Float64[np.ndarray, "utterances dim"],
    size: Float64[np.ndarray, "utterances dim"],
    roundoff: float,
) -> Float64[np.ndarray, "utterances dim"]:
    """Return how far a functional may be from that of the exact rows.

    Rows x are held as x + e with |e| <= u |x|, and rms(x) = sqrt(mean^2 + std^2) over rows. Then
    |change of mean| <= mean(|e|) <= u rms(x), and |change of std| <= std(e) <= u rms(x): a
    standard deviation is blurred by the size of the values, not by its own. Rounding keeps the
    order of values, so a least or greatest one moves by u times itself; a quantile lies between
    two rows, which may be larger than itself where they differ in sign.

    Args:
        functional: `mean`, `std`, `min`, `max`, or a quantile.
        values: Of that functional.
        size: rms(x), over rows.
        roundoff: u, relative.
    """
    if functional in ("min", "max"):
        return np.asarray(roundoff * np.abs(values))
    return np.asarray(roundoff * (size if functional in MOMENTS else np.fmax(size, np.abs(values))))
