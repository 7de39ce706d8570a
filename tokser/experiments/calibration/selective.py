"""Answering only where one is sure: the error among the most confident utterances."""

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["area_under_risk", "risks", "sums_answered"]


def risks(
    confidence: Float[np.ndarray, " utterances"], is_right: Bool[np.ndarray, " utterances"]
) -> Float[np.ndarray, " utterances"]:
    """Return the share of wrong answers among the 1, 2, ... n most confident utterances.

    Utterances of equal confidence are answered together: each has the mean error of its group.
    """
    order = np.argsort(-confidence, kind="stable")
    wrong = 1.0 - is_right[order]
    _, group = np.unique(-confidence[order], return_inverse=True)
    means = np.bincount(group, weights=wrong) / np.maximum(np.bincount(group), 1)
    return np.asarray(np.cumsum(means[group]) / np.arange(1, len(wrong) + 1))


def area_under_risk(
    confidence: Float[np.ndarray, " utterances"], is_right: Bool[np.ndarray, " utterances"]
) -> float:
    """Return the area under the risk-coverage curve (AURC): the mean of `risks`; 0 is best.

    Source: Geifman et al. 2019.
    """
    return float(risks(confidence, is_right).mean()) if len(is_right) else float("nan")


def sums_answered(
    confidence: Float[np.ndarray, " utterances"],
    is_right: Bool[np.ndarray, " utterances"],
    share: float,
) -> tuple[float, Float[np.ndarray, "utterances 2"]]:
    """Return the least confidence that is answered, and cells of answered and right ones.

    Args:
        confidence: Of each utterance.
        is_right: Whether its answer is.
        share: Of the utterances that are answered, the most confident ones; those of equal
            confidence with the last of them, too.
    """
    count = max(1, round(share * len(confidence)))
    least = float(np.sort(confidence)[::-1][count - 1])
    answered = confidence >= least
    return least, np.stack([answered, answered & is_right], axis=1).astype(np.float64)
