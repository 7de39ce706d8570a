"""Whether what is said with probability p is true in a share p of cases: by bins, summed by unit.

Sums of a bin are: utterances, their probabilities, and how many of them were true; [..., bins, 3].
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from tokser.experiments.calibration.bins import Binning, bin_edges, bin_of
from tokser.experiments.calibration.predicted import Predicted

__all__ = [
    "bin_sums",
    "calibration_errors",
    "claims_of_class",
    "error_if_calibrated",
    "expected_error",
    "top_claims",
]

_NUM_DRAWS = 200
Claims = tuple[np.ndarray, np.ndarray]
"""Probabilities that something is so, and whether it was, [utterances] each."""


def top_claims(predicted: Predicted) -> Claims:
    """Return the probability of the most probable class, and whether it is the true one."""
    return predicted.probabilities.max(axis=1), predicted.is_right.astype(np.float64)


def claims_of_class(predicted: Predicted, place: int) -> Claims:
    """Return the probability of one class, and whether it is the true one."""
    return predicted.probabilities[:, place], (predicted.truth == place).astype(np.float64)


def bin_sums(
    claims: Sequence[Claims],
    places: Sequence[np.ndarray],
    num_units: int,
    edges: Float[np.ndarray, " edges"],
) -> Float[np.ndarray, "units seeds bins 3"]:
    """Sum utterances, probabilities and truth in each bin, by unit and seed.

    Args:
        claims: Of each seed.
        places: Position of the unit of each utterance, by seed.
        num_units: How many there are.
        edges: Of the bins.
    """
    sums = np.zeros((num_units, len(claims), len(edges) - 1, 3))
    for seed, ((said, true), unit) in enumerate(zip(claims, places, strict=True)):
        cells = np.stack([np.ones_like(said), said, true], axis=1)
        np.add.at(sums[:, seed], (unit, bin_of(said, edges)), cells)
    return sums


def expected_error(sums: Float[np.ndarray, "*sets bins 3"]) -> np.ndarray:
    """Return the expected calibration error, [*sets]: sum_b n_b / n |mean p_b - share true_b|.

    Source: Naeini et al. 2015, Guo et al. 2017.
    """
    gaps = np.abs(sums[..., 1] - sums[..., 2]).sum(axis=-1)
    return np.asarray(gaps / np.maximum(sums[..., 0].sum(axis=-1), 1))


def calibration_errors(predicted: Predicted, binning: Binning) -> float:
    """Return the expected calibration error of the most probable class."""
    said, true = top_claims(predicted)
    edges = bin_edges(said, binning)
    alone = np.zeros(len(said), dtype=np.int64)
    return float(expected_error(bin_sums([(said, true)], [alone], 1, edges))[0, 0])


def error_if_calibrated(
    said: Float[np.ndarray, " utterances"], edges: Float[np.ndarray, " edges"], seed: int = 0
) -> tuple[float, float]:
    """Return the mean and the 95 % quantile of the error that perfect probabilities would have.

    A finite sample never has an error of 0. So truth is drawn from the probabilities themselves,
    utterance by utterance, many times.

    Args:
        said: Probabilities of the most probable class.
        edges: Of the bins.
        seed: Of the draws.

    Source: Bröcker and Smith 2007 (consistency resampling), Vaicenavicius et al. 2019.
    """
    if not len(said):
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    bins = bin_of(said, edges)
    errors = np.empty(_NUM_DRAWS)
    for draw in range(_NUM_DRAWS):
        gaps = (rng.random(len(said)) < said) - said
        errors[draw] = np.abs(np.bincount(bins, weights=gaps)).sum() / len(said)
    return float(errors.mean()), float(np.quantile(errors, 0.95))
