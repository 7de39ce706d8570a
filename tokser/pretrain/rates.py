"""Match rates, and gains between them, with 95 % intervals over speakers or utterances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int64

from tokser.intervals import MIN_UNITS, Scale, jackknife_sums

__all__ = ["DevUnits", "UnitMatches", "count_matches", "dev_units"]


@dataclass(frozen=True)
class DevUnits:
    """What counts as independent in the dev part.

    Attributes:
        number_of: Number of each utterance's unit, from 0 on.
        are_speakers: Whether units are speakers; else every utterance is one.
    """

    number_of: Mapping[str, int]
    are_speakers: bool


def dev_units(ids: Sequence[str], speakers: "pd.Series[str]") -> DevUnits:
    """Return speakers where all are known and there are enough of them, else utterances.

    Args:
        ids: Utterances of the dev part.
        speakers: Speaker of each utterance, index = id; empty where unknown.
    """
    known = speakers.loc[list(ids)].fillna("").astype(str)
    are_speakers = known.ne("").all() and known.nunique() >= MIN_UNITS
    numbers = pd.factorize(known)[0] if are_speakers else np.arange(len(known))
    return DevUnits(dict(zip(ids, numbers.tolist(), strict=True)), bool(are_speakers))


@dataclass(frozen=True)
class UnitMatches:
    """Matched tokens of several students, by independent unit.

    Attributes:
        matches: By name of the student, its matched tokens in each unit.
        num_tokens: Tokens in each unit.
    """

    matches: Mapping[str, Int64[np.ndarray, " units"]]
    num_tokens: Int64[np.ndarray, " units"]

    def rate(self, column: str, name: str) -> dict[str, float]:
        """Return a student's match rate and its interval: `column`, `_low` and `_high`."""
        return self._columns(column, [name], "share")

    def gain(self, column: str, name: str, other: str) -> dict[str, float]:
        """Return how much a student's match rate is above another's, in the same way."""
        return self._columns(column, [name, other], "difference")

    def _columns(self, column: str, names: Sequence[str], scale: Scale) -> dict[str, float]:
        sums = np.stack([*(self.matches[name] for name in names), self.num_tokens], axis=1)

        def score(sums: np.ndarray) -> np.ndarray:
            rates = sums[..., :-1] / sums[..., -1:]
            return np.asarray(rates[..., 0] - (rates[..., 1] if len(names) > 1 else 0))

        value, interval = jackknife_sums(
            sums.astype(float), score, scale=scale, num_observations=float(self.num_tokens.sum())
        )
        return {column: value, f"{column}_low": interval.low, f"{column}_high": interval.high}


def count_matches(
    matched: Mapping[str, Bool[np.ndarray, " tokens"]],
    num_tokens: Int64[np.ndarray, " utterances"],
    units: Int64[np.ndarray, " utterances"],
) -> UnitMatches:
    """Count the tokens that were matched, by unit.

    Args:
        matched: By name of the student, whether each token's nearest teacher token is its own.
        num_tokens: Tokens of each utterance.
        units: Unit of each utterance.
    """
    unit_of_token = np.repeat(units, num_tokens)
    size = int(units.max()) + 1
    counts = {
        name: np.bincount(unit_of_token[own], minlength=size) for name, own in matched.items()
    }
    return UnitMatches(counts, np.bincount(unit_of_token, minlength=size))
