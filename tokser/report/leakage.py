"""Speaker leakage: what sharing speakers between training and test adds to a score."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokser.report.scores import Configuration, Scores

__all__ = ["Leakage", "leakage_of", "measure_leakage"]


@dataclass(frozen=True)
class Leakage:
    """The headline of one configuration with and without speakers shared with training."""

    label: str
    random: float
    """On the random split."""
    speaker: float
    """On unseen speakers."""

    @property
    def difference(self) -> float:
        """By how much the random split is higher."""
        return self.random - self.speaker


def measure_leakage(scores: Scores) -> list[Leakage]:
    """Return the leakage of every configuration that was scored under both protocols."""
    return [
        Leakage(row.label, found["random"].value, found["speaker"].value)
        for row, found in scores.by_family
        if "random" in found and "speaker" in found
    ]


def leakage_of(found: Sequence[Leakage], row: Configuration | None) -> Leakage | None:
    """Return that of one configuration, where it was scored under both protocols."""
    return next((one for one in found if row and one.label == row.label), None)
