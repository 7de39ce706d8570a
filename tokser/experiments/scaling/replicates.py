"""Bootstrap of learning curves: over test speakers, and over the draws of training subsets."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from tokser.experiments.statistics.unit_sums import Score
from tokser.intervals import LEVEL
from tokser.student_t import reach_of_t

__all__ = ["NUM_REPLICATES", "curve_replicates", "draw_error", "percentile_ends"]

NUM_REPLICATES = 2_000


def curve_replicates(
    sums: Float[np.ndarray, "units draws sizes *cells"],
    folds: Sequence[int],
    score: Score,
    rng: np.random.Generator,
) -> Float[np.ndarray, "replicates sizes"]:
    """Return curves of test units and draws that are drawn with replacement.

    A unit keeps its predictions at all sizes together, and a draw its nested subsets, so the points
    of a replicate belong to each other as those of the curve do. Draws are resampled in each fold
    by itself, as they were drawn.

    Args:
        sums: What scores are made of.
        folds: Number of the fold that tests each unit.
        score: Of sums over units.
        rng: What draws.
    """
    num_units = len(sums)
    units = rng.multinomial(num_units, np.full(num_units, 1 / num_units), NUM_REPLICATES)
    draws = _drawn(sums.shape[1], max(folds) + 1, rng)[:, list(folds)]
    return _scores(sums, units[:, :, None] * draws, score)


def draw_error(
    sums: Float[np.ndarray, "units draws *cells"],
    folds: Sequence[int],
    score: Score,
    rng: np.random.Generator,
) -> float:
    """Return the standard error of a score that is averaged over draws, for draws being few.

    Draws are resampled in each fold; with D of them the bootstrap's variance is (D - 1) / D of what
    it should be. Where all draws predict the same it is 0.

    Args:
        sums: Of one size.
        folds: Number of the fold that tests each unit.
        score: Of sums over units.
        rng: What draws.
    """
    num_draws = sums.shape[1]
    draws = _drawn(num_draws, max(folds) + 1, rng)[:, list(folds)]
    found = _scores(sums[:, :, None], draws, score)
    return float(found.std() * np.sqrt(num_draws / (num_draws - 1)))


def _drawn(num_draws: int, num_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each draw counts, [replicates, folds, draws]."""
    shares = np.full(num_draws, 1 / num_draws)
    return np.asarray(rng.multinomial(num_draws, shares, (NUM_REPLICATES, num_folds)))


def _scores(
    sums: Float[np.ndarray, "units draws sizes *cells"], weights: np.ndarray, score: Score
) -> np.ndarray:
    """Return the scores of weighted sums, [replicates, sizes]."""
    num_units, num_draws, *rest = sums.shape
    flat = sums.reshape(num_units * num_draws, -1)
    totals = weights.reshape(len(weights), -1).astype(np.float64) @ flat
    return np.asarray(score(totals.reshape(len(weights), *rest)))


def percentile_ends(
    values: Float[np.ndarray, " replicates"], num_units: int
) -> tuple[float, float]:
    """Return the ends of 95 % intervals: percentiles, further out where there are few units.

    With G units, the bootstrap's variance is (G - 1) / G of what it should be, and it knows no
    Student's t: the percentiles are those at which the normal distribution has
    -/+ sqrt(G / (G - 1)) t(G - 1, 97.5 %).

    Source: Hesterberg 2015, section 5.3 (expanded percentile interval).
    """
    quantile = reach_of_t(num_units - 1, LEVEL) * np.sqrt(num_units / (num_units - 1))
    share = float(ndtr(-quantile))
    low, high = np.quantile(values, [share, 1 - share], axis=0)
    return float(low), float(high)
