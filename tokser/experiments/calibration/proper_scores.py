"""Scores of probabilities that are best for the true ones: Brier and log likelihood."""

import numpy as np
from jaxtyping import Float, Int64

__all__ = ["LEAST_PROBABILITY", "brier_scores", "negative_log_likelihoods"]

LEAST_PROBABILITY = 1e-12
"""What a smaller probability of the true class counts as: the likelihood of 0 is infinite."""


def brier_scores(
    probabilities: Float[np.ndarray, "utterances classes"], truth: Int64[np.ndarray, " utterances"]
) -> Float[np.ndarray, " utterances"]:
    """Return sum_c (p_c - [c is true])^2 of each utterance, 0 (best) to 2.

    Source: Brier 1950, over all classes.
    """
    wanted = np.zeros_like(probabilities)
    wanted[np.arange(len(truth)), truth] = 1
    return np.asarray(((probabilities - wanted) ** 2).sum(axis=1))


def negative_log_likelihoods(
    probabilities: Float[np.ndarray, "utterances classes"], truth: Int64[np.ndarray, " utterances"]
) -> Float[np.ndarray, " utterances"]:
    """Return -ln p of the true class of each utterance, in nats."""
    reached = probabilities[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.maximum(reached, LEAST_PROBABILITY)))
