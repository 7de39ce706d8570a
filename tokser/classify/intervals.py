"""95 % intervals of scores, by bootstrap over speakers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from tokser.classify.tally import Tally, mean_score

__all__ = ["NUM_DRAWS", "averaged", "draw_speakers", "interval", "quantiles"]

NUM_DRAWS = 2_000
_LEVEL = 0.95


def draw_speakers(
    num_speakers: int, *, seed: int, num_draws: int = NUM_DRAWS
) -> Float[np.ndarray, "draws speakers"]:
    """Draw speakers with replacement, and count how often each draw has each of them.

    Whole speakers are drawn, because utterances of one speaker are no independent evidence. One
    speaker alone says nothing of others, so there are no draws then.
    """
    if num_speakers < 2:
        return np.empty((0, num_speakers))
    shares = np.full(num_speakers, 1 / num_speakers)
    rng = np.random.default_rng(seed)
    return rng.multinomial(num_speakers, shares, size=num_draws).astype(np.float64)


def averaged(
    tallies: Sequence[Tally], weights: Float[np.ndarray, "draws speakers"]
) -> Float[np.ndarray, " draws"]:
    """Return the score of each draw of speakers, averaged over tallies: one for each seed."""
    return np.asarray(np.mean([mean_score(tally, weights) for tally in tallies], axis=0))


def interval(
    tallies: Sequence[Tally], weights: Float[np.ndarray, "draws speakers"]
) -> tuple[float, float]:
    """Return the 95 % interval of a score over draws of speakers.

    Args:
        tallies: Predictions of each seed; their scores are averaged within a draw.
        weights: How often each draw has each speaker; the same for all that is compared.

    Returns:
        Lower and upper end; NaN with fewer than two speakers. With few speakers (EmoDB has ten)
        the interval is somewhat too narrow, as every bootstrap's is.

    Source: Efron and Tibshirani 1993, section 13.3 (percentiles). Departs: speakers are drawn,
    not utterances.
    """
    return quantiles(averaged(tallies, weights))


def quantiles(values: Float[np.ndarray, " draws"]) -> tuple[float, float]:
    """Return the 2.5 % and 97.5 % quantiles of draws; NaN where there are none."""
    if not len(values):
        return float("nan"), float("nan")
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
