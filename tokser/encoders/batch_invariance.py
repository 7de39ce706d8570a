"""Whether a model may take several waveforms at once: only if none changes another's rows."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batching", "find_batching", "relative_distance"]

Batching = Literal["padded", "equal lengths", "one by one"]
"""Which waveforms may share a batch: any, padded; those of one length; none."""

TOLERANCE = {"float32": 1e-5, "bfloat16": 1e-2, "float16": 2e-3}
"""Largest relative L2 distance that rounding explains, by the precision of the model."""

Rows = list[NDArray[np.float32]]
"""Rows of one waveform, [rows, dim] of each layer."""


def find_batching(
    encode: Callable[[Sequence[NDArray[np.float32]]], list[Rows]],
    lengths: Sequence[int],
    precision: str,
) -> Batching:
    """Compare the rows of synthetic waveforms in a batch with those of each alone.

    Args:
        encode: Runs waveforms as one batch, padded where lengths differ.
        lengths: Lengths of the waveforms in samples, the longest first.
        precision: `float32`, `bfloat16` or `float16`.
    """
    rng = np.random.default_rng(0)
    tolerance = TOLERANCE[precision]

    def is_invariant(samples: Sequence[int]) -> bool:
        given = [rng.normal(0, 0.1, count).astype(np.float32) for count in samples]
        try:
            together = encode(given)
        except (RuntimeError, ValueError, IndexError, TypeError):  # it takes one at a time
            return False
        alone = [encode([one])[0] for one in given]
        return all(
            one.shape == other.shape and relative_distance(one, other) <= tolerance
            for rows, wanted in zip(together, alone, strict=True)
            for one, other in zip(rows, wanted, strict=True)
        )

    if is_invariant(lengths):
        return "padded"
    return "equal lengths" if is_invariant([lengths[0]] * len(lengths)) else "one by one"


def relative_distance(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Return the relative L2 distance of two arrays."""
    difference = np.linalg.norm(found.astype(np.float64) - wanted.astype(np.float64))
    return float(difference / max(float(np.linalg.norm(wanted.astype(np.float64))), 1e-12))
