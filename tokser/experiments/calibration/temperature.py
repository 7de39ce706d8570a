"""Temperature scaling: one number that makes all probabilities less or more confident."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

__all__ = ["MOST", "Temperature", "fit_temperature", "scale_probabilities"]

MOST = 20.0
"""Temperatures lie within 1/20 and 20: beyond, nothing changes that could be measured."""


@dataclass(frozen=True)
class Temperature:
    """A temperature, and why it is what it is.

    Attributes:
        value: Above 1 probabilities were overconfident, below 1 underconfident; 1 changes nothing.
        note: Why it was not fitted, or that it is at an end of its range; empty otherwise.
    """

    value: float
    note: str = ""


def scale_probabilities(
    probabilities: Float[np.ndarray, "utterances classes"], temperature: float
) -> Float[np.ndarray, "utterances classes"]:
    """Return probabilities at a temperature T: p_c^(1/T) / sum_k p_k^(1/T).

    With a softmax of logits z this is softmax(z / T). The order of the classes stays, and a class
    of probability 0 keeps it.

    Source: Guo et al. 2017, section 4.2.
    """
    from scipy.special import softmax  # takes an eighth of a second to import

    with np.errstate(divide="ignore"):
        logs = np.log(np.asarray(probabilities, dtype=np.float64))
    return np.asarray(softmax(logs / temperature, axis=1))


def fit_temperature(
    probabilities: Float[np.ndarray, "utterances classes"], truth: Int64[np.ndarray, " utterances"]
) -> Temperature:
    """Return the temperature of least negative log likelihood.

    That is convex in b = 1 / T: sum_i (log sum_c p_ic^b - b log p_iy), so its derivative has one
    root, which is bracketed. Utterances whose true class has probability 0, as one that training
    lacked, are left out: no temperature changes it.

    Args:
        probabilities: Of utterances that nothing was trained on.
        truth: Position of the true class.

    Source: Guo et al. 2017, section 4.2.
    """
    from scipy.optimize import brentq  # takes as long to import as pandas
    from scipy.special import logsumexp

    known = probabilities[np.arange(len(truth)), truth] > 0
    truth = truth[known]
    if not len(truth):
        return Temperature(1.0, "not fitted: no utterance to fit it on")
    if len(np.unique(truth)) < 2:
        return Temperature(1.0, "not fitted: one class alone to fit it on")
    with np.errstate(divide="ignore"):
        logs = np.log(np.asarray(probabilities[known], dtype=np.float64))
    reached = logs[np.arange(len(truth)), truth]
    finite = np.where(np.isfinite(logs), logs, 0.0)

    def slope(inverse: float) -> float:
        scaled = logs * inverse
        weights = np.exp(scaled - logsumexp(scaled, axis=1, keepdims=True))
        return float(((weights * finite).sum(axis=1) - reached).mean())

    if slope(MOST) <= 0:
        return Temperature(1 / MOST, "at the end of its range: nothing is confused")
    if slope(1 / MOST) >= 0:
        return Temperature(MOST, "at the end of its range: no better than chance")
    return Temperature(float(1 / brentq(slope, 1 / MOST, MOST, xtol=1e-12)))
