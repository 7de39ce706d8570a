"""Scaling of functionals to mean 0 and standard deviation 1, learnt from training data only."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Num

from tokser.functionals.sums import Sums, blocks

__all__ = ["Standardiser", "standardise_by_speaker"]

_FLOAT32 = 2.0**-24
"""Unit roundoff of float32, in which functionals are held."""


@dataclass(frozen=True)
class Standardiser:
    """Means and scales of the training part.

    A column that rounding alone can spread as widely as training does is constant: its differences
    mean nothing, and dividing by them would make an utterance from elsewhere thousands of times
    larger than any that was trained on. It is left out: 0 for everybody.

    Attributes:
        mean: [features].
        scale: Standard deviations, [features]; infinite where the training part is constant.
    """

    mean: Float64[np.ndarray, " features"]
    scale: Float64[np.ndarray, " features"]

    @classmethod
    def fit(
        cls,
        train: Num[np.ndarray, "utterances features"],
        rounding: Num[np.ndarray, "utterances features"] | None = None,
    ) -> "Standardiser":
        """Learn means and population standard deviations from the training part.

        Values that are equal but for errors e have a standard deviation of at most rms(e).

        Args:
            train: Functionals.
            rounding: How far rounding may have moved each of them before they were made, see
                `rounding.read_rounding`; none: only their own float32 counts.
        """
        return cls.of(Sums.over(train, rounding))

    @classmethod
    def of(cls, sums: Sums) -> "Standardiser":
        """Return what `fit` learns from a part with these sums."""
        variance = sums.squares / sums.num_rows
        scale = np.sqrt(variance)
        explained = _FLOAT32 * np.sqrt(variance + np.square(sums.mean))
        explained += sums.rounding_size
        return cls(sums.mean, np.where(scale <= explained, np.inf, scale))

    @property
    def is_constant(self) -> Bool[np.ndarray, " features"]:
        """Which columns are left out."""
        found: np.ndarray = np.isinf(self.scale)
        return found

    def apply(
        self, values: Num[np.ndarray, "utterances features"]
    ) -> Float32[np.ndarray, "utterances features"]:
        """Scale values by what was learnt; a column constant in training is 0 everywhere."""
        scaled = np.empty_like(values, dtype=np.float32)
        for part in blocks(len(values)):
            wide = values[part] - self.mean
            wide /= self.scale
            scaled[part] = wide
        return scaled


def standardise_by_speaker(
    table: pd.DataFrame, speakers: "pd.Series[str]", rounding: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Scale each speaker's functionals to mean 0 and standard deviation 1 over that speaker.

    It uses no label, but all recordings of the speaker, those in test too: it is a claim about
    speakers of whom many recordings are at hand. Training-only scaling follows as ever.

    Rounding is scaled with what it blurs. Of z = (x - m) / s, errors up to d in x, m and s make
    (2 + |z|) d / s: so what does not vary in the training part alone is still recognised.

    Args:
        table: [utterances, features], index = id.
        speakers: Speaker of each utterance, index = id.
        rounding: How far rounding may have moved each number, same index and columns; see
            `Standardiser.fit`.

    Returns:
        The scaled table, and how far rounding may have moved that.

    Source: Busso et al. 2013 (speaker normalisation). Departs: all emotions, not neutral alone.
    """
    scaled = np.empty(table.shape, dtype=np.float32)
    blurred = np.empty(table.shape, dtype=np.float32)
    values, names = table.to_numpy(), speakers.loc[table.index].to_numpy()
    errors: Any = None if rounding is None else rounding.loc[table.index].to_numpy()
    for name in sorted(set(names)):
        rows = np.flatnonzero(names == name)
        own = None if errors is None else errors[rows]
        sums = Sums.over(values[rows], own)
        scaling = Standardiser.of(sums)
        scaled[rows] = scaling.apply(values[rows])
        if own is not None:
            largest = sums.rounding_size / scaling.scale
            blurred[rows] = (2 + np.abs(scaled[rows])) * largest
    made = {"index": table.index, "columns": table.columns}
    return (
        pd.DataFrame(scaled, **made),
        None if errors is None else pd.DataFrame(blurred, **made),
    )
