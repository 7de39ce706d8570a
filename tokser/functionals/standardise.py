"""Scaling of functionals to mean 0 and standard deviation 1, learnt from training data only."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Num

__all__ = ["Standardiser", "standardise_by_speaker"]


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


def standardise_by_speaker(table: pd.DataFrame, speakers: "pd.Series[str]") -> pd.DataFrame:
    """Scale each speaker's functionals to mean 0 and standard deviation 1 over that speaker.

    It uses no label, but all recordings of the speaker, those in test too: it is a claim about
    speakers of whom many recordings are at hand. Training-only scaling follows as ever.

    Args:
        table: [utterances, features], index = id.
        speakers: Speaker of each utterance, index = id.

    Source: Busso et al. 2013 (speaker normalisation). Departs: all emotions, not neutral alone.
    """
    scaled = np.empty(table.shape, dtype=np.float32)
    values, names = table.to_numpy(), speakers.loc[table.index].to_numpy()
    for name in sorted(set(names)):
        rows = np.flatnonzero(names == name)
        scaled[rows] = Standardiser.fit(values[rows]).apply(values[rows])
    return pd.DataFrame(scaled, index=table.index, columns=table.columns)
