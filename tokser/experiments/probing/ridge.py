"""Ridge regression of many targets with many penalties, by one eigendecomposition."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64

__all__ = ["STRENGTHS", "RidgePath", "class_scores"]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Penalties that dev selects among, as shares of the number of training samples."""


class RidgePath:
    """Predictions of one training part for all penalties.

    Columns are standardised by the training part. With X = U S V', the predictions for X_t are
    X_t X' U (S^2 + a)^-1 U' Y + mean(Y): nothing of a target or a penalty is decomposed, and
    where there are fewer columns than samples the same is done with X'X.

    Args:
        train: The training part.
        others: Further samples that predictions are wanted of.
    """

    def __init__(
        self,
        train: Float[np.ndarray, "train dim"],
        others: Sequence[Float[np.ndarray, "_ dim"]],
    ) -> None:
        mean, scale = train.mean(axis=0), train.std(axis=0)
        inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 1e-6 * abs(mean))
        known, *scaled = (
            torch.from_numpy(((own - mean) * inverse).astype(np.float64))
            for own in (train, *others)
        )
        self._num = len(known)
        if known.shape[0] <= known.shape[1]:
            values, vectors = torch.linalg.eigh(known @ known.T)
            self._left, maps = vectors, known.T @ vectors
        else:
            values, right = torch.linalg.eigh(known.T @ known)
            self._left, maps = known @ right, right
        self._values = values.clamp(min=0)
        self._rows = [own @ maps for own in scaled]

    def predict(
        self, target: Float[np.ndarray, "train outputs"], strengths: Sequence[float] = STRENGTHS
    ) -> list[Float64[np.ndarray, "strengths _ outputs"]]:
        """Return predictions of each of `others`, by penalty.

        Args:
            target: Y.
            strengths: a / samples.
        """
        wanted = torch.from_numpy(target.astype(np.float64))
        mean = wanted.mean(dim=0)
        projected = self._left.T @ (wanted - mean)
        penalties = torch.tensor(strengths, dtype=torch.float64) * self._num
        solved = projected / (self._values[:, None] + penalties[:, None, None])
        return [(rows @ solved + mean).numpy() for rows in self._rows]


def class_scores(
    labels: Sequence[str], classes: Sequence[str]
) -> Float64[np.ndarray, "samples classes"]:
    """Return what is regressed for classes: 1 / share of the class where it is the label, else 0.

    Least squares then estimates posterior / prior, whose largest value is the decision that the UAR
    asks for: every class counts the same.
    """
    is_label = np.asarray(labels, dtype=object)[:, None] == np.asarray(classes, dtype=object)
    share = is_label.mean(axis=0)
    scores = np.zeros(is_label.shape)
    np.divide(is_label, share, out=scores, where=share > 0)
    return scores
