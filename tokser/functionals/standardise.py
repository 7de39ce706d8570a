"""Scaling of functionals to mean 0 and standard deviation 1, learnt from training data only."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Num

__all__ = ["Standardiser"]


@dataclass(frozen=True)
class Standardiser:
    """Means and scales of the training part.

    Attributes:
        mean: [features].
        scale: Standard deviations, [features]; 1 where the training part is constant.
    """

    mean: Float64[np.ndarray, " features"]
    scale: Float64[np.ndarray, " features"]

    @classmethod
    def fit(cls, train: Num[np.ndarray, "utterances features"]) -> "Standardiser":
        """Learn means and population standard deviations from the training part."""
        wide = train.astype(np.float64)
        mean, scale = wide.mean(axis=0), wide.std(axis=0)
        # Rounding leaves a constant column with a scale of about 1e-17 times its mean.
        is_constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        return cls(mean, np.where(is_constant, 1.0, scale))

    def apply(
        self, values: Num[np.ndarray, "utterances features"]
    ) -> Float32[np.ndarray, "utterances features"]:
        """Scale values by what was learnt; a column constant in training becomes 0 there."""
        scaled: np.ndarray = ((values - self.mean) / self.scale).astype(np.float32)
        return scaled
