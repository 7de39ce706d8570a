"""Bootstrap of learning curves: over test speakers, and over the draws of training subsets."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, stdtrit

from tokser.experiments.statistics.unit_sums import Score
from tokser.intervals import LEVEL

__all__ = ["NUM_REPLICATES", "curve_replicates", "percentile_ends"]

NUM_REPLICATES = 2_000


def curve_replicates(
    sums: Float[np.ndarray, "units draws sizes *cells"],
    folds: Sequence[int],
    score: Score,
    rng: np.random.Generator,
) -> Float[np.ndarray, "replicates sizes"]:
    """Return curves of test units and draws that are drawn with replacement.

    A unit keeps its predictions at all sizes together, and a draw its nested subsets, so the points
    of a replicate belong to each other as those of the curve do. Draws are resampled in each fold by
    itself, as they were drawn.

    Args:
        sums: What scores are made of.
        folds: Number of the fold that tests each unit.
        score: Of sums over units.
        rng: What draws.
    """
    num_units, num_draws, num_sizes, *cells = sums.shape
    units = rng.multinomial(num_units, np.full(num_units, 1 / num_units), NUM_REPLICATES)
    num_folds = max(folds) + 1
    draws = rng.multinomial(
        num_draws, np.full(num_draws, 1 / num_draws), (NUM_REPLICATES, num_folds)
    )
    weights = units[:, :, None] * draws[:, list(folds)]
    flat = sums.reshape(num_units * num_draws, -1)
    totals = weights.reshape(NUM_REPLICATES, -1).astype(np.float64) @ flat
    return np.asarray(score(totals.reshape(NUM_REPLICATES, num_sizes, *cells)))


def percentile_ends(
    values: Float[np.ndarray, "replicates *curves"], num_units: int
) -> tuple[Float[np.ndarray, "*curves"], Float[np.ndarray, "*curves"]]:
    """Return the ends of 95 % intervals: percentiles, further out where there are few units.

    With G units, the bootstrap's variance is (G - 1) / G of what it should be, and it knows no
    Student's t: the percentiles are those at which the normal distribution has
    -/+ sqrt(G / (G - 1)) t(G - 1, 97.5 %).

    Source: Hesterberg 2015, section 5.3 (expanded percentile interval).
    """
    quantile = stdtrit(num_units - 1, (1 + LEVEL) / 2) * np.sqrt(num_units / (num_units - 1))
    share = float(ndtr(-quantile))
    low, high = np.quantile(values, [share, 1 - share], axis=0)
    return np.asarray(low), np.asarray(high)
