"""Bins of probabilities: as many utterances in each, or as wide each."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

__all__ = ["NUM_BINS", "Binning", "bin_edges", "bin_of"]

NUM_BINS = 15
"""As in Guo et al. 2017."""
Binning = Literal["equal-mass", "equal-width"]


def bin_edges(
    values: Float[np.ndarray, " values"], binning: Binning, num_bins: int = NUM_BINS
) -> Float[np.ndarray, " edges"]:
    """Return the edges of bins of [0, 1], the first 0 and the last 1.

    Args:
        values: Probabilities. With equal mass, equal ones share a bin, so there may be fewer bins.
        binning: How they are cut.
        num_bins: Most bins.
    """
    if binning == "equal-width" or not len(values):
        return np.linspace(0.0, 1.0, num_bins + 1)
    ordered = np.sort(values)
    cuts = np.arange(1, num_bins) * len(ordered) // num_bins
    before = ordered[np.maximum(cuts - 1, 0)]
    inner = (before + ordered[cuts]) / 2
    return np.unique(np.concatenate([[0.0], inner[(inner > 0) & (inner < 1)], [1.0]]))


def bin_of(
    values: Float[np.ndarray, " values"], edges: Float[np.ndarray, " edges"]
) -> Int64[np.ndarray, " values"]:
    """Return the bin of each value, which lies above its lower edge and up to its upper one."""
    found = np.searchsorted(edges[1:-1], values, side="left")
    return np.asarray(found, dtype=np.int64)
