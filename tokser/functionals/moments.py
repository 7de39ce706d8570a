"""Functionals of an utterance's rows: moments, extremes and quantiles over frames or tokens."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Num

from tokser.errors import SettingsError

__all__ = ["MOMENTS", "check_functionals", "mean_std", "pool_rows"]

MOMENTS = ("mean", "std")
"""The paper's functionals, which every pooled feature has."""

_QUANTILE = re.compile(r"q(\d{1,2}(?:\.\d+)?)")


def mean_std(rows: Num[np.ndarray, "rows dim"]) -> Float32[np.ndarray, " twice_dim"]:
    """Return f_mu-sigma: the mean, then the population standard deviation, over rows.

    Sums are taken in float64; one row has standard deviation 0.

    Args:
        rows: Frames or tokens of one utterance, [rows, dim], at least one.

    Returns:
        [2 * dim].

    Source: paper, section 4.2. Departs: the paper does not say which standard deviation.
    """
    wide = rows.astype(np.float64)
    return np.concatenate([wide.mean(axis=0), wide.std(axis=0)]).astype(np.float32)


def pool_rows(rows: Num[np.ndarray, "rows dim"], functional: str) -> Float32[np.ndarray, " dim"]:
    """Return one functional over rows.

    Args:
        rows: Frames or tokens of one utterance, at least one.
        functional: `mean`, `std`, `min`, `max`, or a quantile such as `q25` or `q97.5`, in percent
            (between two rows: linear).
    """
    wide = rows.astype(np.float64)
    if functional in MOMENTS:
        found = wide.mean(axis=0) if functional == "mean" else wide.std(axis=0)
    elif functional in ("min", "max"):
        found = wide.min(axis=0) if functional == "min" else wide.max(axis=0)
    else:
        (checked,) = check_functionals([functional])
        found = np.percentile(wide, float(checked[1:]), axis=0)
    return np.asarray(found, dtype=np.float32)


def check_functionals(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, each once.

    Raises:
        SettingsError: One is none of mean, std, min, max, q0 to q99.
    """
    unknown = [
        name
        for name in names
        if name not in (*MOMENTS, "min", "max") and not _QUANTILE.fullmatch(name)
    ]
    if unknown or not names:
        raise SettingsError(
            "functionals",
            expected="mean, std, min, max, or quantiles in percent such as q25",
            got=", ".join(unknown) or "none",
            remedy="Name some of these.",
        )
    return tuple(dict.fromkeys(names))
