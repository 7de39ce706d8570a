"""First and second moments over the rows of an utterance."""

import numpy as np
from jaxtyping import Float32, Num

__all__ = ["mean_std"]


def mean_std(rows: Num[np.ndarray, "rows dim"]) -> Float32[np.ndarray, " twice_dim"]:
    """Return f_mu-sigma: the mean, then the population standard deviation, over rows.

    Sums are taken in float64; one row has standard deviation 0.

    Args:
        rows: Frames or tokens of one utterance, [rows, dim], at least one.

    Returns:
        [2 * dim].

    Source: report, section 4.2. Departs: the report does not say which standard deviation.
    """
    wide = rows.astype(np.float64)
    return np.concatenate([wide.mean(axis=0), wide.std(axis=0)]).astype(np.float32)
