"""Scores of shares: predicted distributions over classes against those of annotators.

All of them are made of sums over utterances, [..., K, K + 5] for K classes; row c holds, in order:
counts of top-1 predictions of utterances whose plurality label is c; how often the shares of class
c were above 1/K in truth and prediction, in the prediction, in the truth; the Kullback-Leibler
divergences, and the utterances, of plurality label c (first place shared: of the first of these).
"""

import numpy as np
from jaxtyping import Float

from tokser.experiments.statistics.metrics import accuracy_from_confusion, uar_from_confusion

__all__ = [
    "LEAST_PROBABILITY",
    "accuracy_from_shares",
    "best_constant_macro_f1",
    "confusion_in",
    "counts_in",
    "f1_parts",
    "kl_divergences",
    "kl_from_shares",
    "macro_f1_from_shares",
    "macro_f1_of_counts",
    "share_cells",
    "uar_from_shares",
]

LEAST_PROBABILITY = 1e-6
"""What a smaller predicted share counts as in the Kullback-Leibler divergence, which is infinite
where a class that annotators chose was given 0."""
_EQUAL = 1e-9


def share_cells(
    truth: Float[np.ndarray, "utterances classes"], guess: Float[np.ndarray, "utterances classes"]
) -> Float[np.ndarray, "utterances classes cells"]:
    """Return what each utterance adds to the sums.

    Args:
        truth: Shares of annotators.
        guess: Predicted shares.
    """
    num, size = truth.shape
    cells = np.zeros((num, size, size + 5))
    every, first = np.arange(num), truth.argmax(axis=1)
    has_one = (truth >= truth.max(axis=1, keepdims=True) - _EQUAL).sum(axis=1) == 1
    cells[every[has_one], first[has_one], guess.argmax(axis=1)[has_one]] = 1
    wanted, given = truth > 1 / size + _EQUAL, guess > 1 / size + _EQUAL
    cells[:, :, size] = wanted & given
    cells[:, :, size + 1] = given
    cells[:, :, size + 2] = wanted
    cells[every, first, size + 3] = kl_divergences(truth, guess)
    cells[every, first, size + 4] = 1
    return cells


def kl_divergences(
    truth: Float[np.ndarray, "utterances classes"], guess: Float[np.ndarray, "utterances classes"]
) -> Float[np.ndarray, " utterances"]:
    """Return sum_c s_c ln(s_c / p_c) of each utterance, in nats; 0 ln 0 = 0."""
    least = np.maximum(guess, LEAST_PROBABILITY)
    logs = np.log(np.where(truth > 0, truth, 1)) - np.log(least)
    return np.asarray((truth * logs).sum(axis=1))


def confusion_in(sums: Float[np.ndarray, "*sets classes cells"]) -> np.ndarray:
    """Return the confusion matrix of plurality label and top-1 prediction."""
    return sums[..., : sums.shape[-2]]


def counts_in(sums: Float[np.ndarray, "*sets classes cells"]) -> np.ndarray:
    """Return, by class, how often it was above 1/K: in both, predicted, true; [*sets, classes, 3].

    Source: EMO-SUPERB (Wu et al. 2024), whose macro-F1 takes a class as present where its share is
    above 1/K.
    """
    size = sums.shape[-2]
    return sums[..., size : size + 3]


def f1_parts(
    counts: Float[np.ndarray, "*sets classes 3"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return recall, precision and F1 of each class, [*sets, classes]; 0 where there is nothing."""
    both, given, wanted = np.moveaxis(counts, -1, 0)
    return (
        np.asarray(both / np.maximum(wanted, 1)),
        np.asarray(both / np.maximum(given, 1)),
        np.asarray(2 * both / np.maximum(given + wanted, 1)),
    )


def macro_f1_of_counts(counts: Float[np.ndarray, "*sets classes 3"]) -> np.ndarray:
    """Return the mean F1, [*sets], of the classes that are present in the truth."""
    present = counts[..., 2] > 0
    f1 = np.where(present, f1_parts(counts)[2], 0.0)
    return np.asarray(f1.sum(axis=-1) / np.maximum(present.sum(axis=-1), 1))


def macro_f1_from_shares(sums: Float[np.ndarray, "*sets classes cells"]) -> np.ndarray:
    """Return the macro-F1 at the threshold 1/K, [*sets]."""
    return macro_f1_of_counts(counts_in(sums))


def uar_from_shares(sums: Float[np.ndarray, "*sets classes cells"]) -> np.ndarray:
    """Return the UAR of top-1 predictions, of the utterances that have a plurality label."""
    return uar_from_confusion(confusion_in(sums))


def accuracy_from_shares(sums: Float[np.ndarray, "*sets classes cells"]) -> np.ndarray:
    """Return the top-1 accuracy, of the utterances that have a plurality label."""
    return accuracy_from_confusion(confusion_in(sums))


def kl_from_shares(sums: Float[np.ndarray, "*sets classes cells"]) -> np.ndarray:
    """Return the mean Kullback-Leibler divergence, [*sets], in nats."""
    total, count = (sums[..., place].sum(axis=-1) for place in (-2, -1))
    return np.asarray(total / np.maximum(count, 1))


def best_constant_macro_f1(sums: Float[np.ndarray, "classes cells"]) -> float:
    """Return the macro-F1 of the best distribution that is predicted for every utterance.

    Not all K shares can be above 1/K, so it leaves out the class that is rarest in the truth.
    """
    wanted, count = counts_in(sums)[:, 2], max(float(sums[:, -1].sum()), 1.0)
    f1 = 2 * wanted / (count + wanted)
    return float((f1.sum() - f1.min()) / max(int((wanted > 0).sum()), 1))
