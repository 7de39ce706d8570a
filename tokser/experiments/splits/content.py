"""What activations tell of two recordings: nearly the same one, or the same speaker."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tokser.experiments.splits.near_duplicates import NearDuplicate, NearDuplicates
from tokser.experiments.splits.sharing import FoldParts, crossing_pairs
from tokser.experiments.splits.similar_speakers import SimilarSpeakers

__all__ = ["Content"]

MOST_NAMED = 20
"""Pairs that are named one by one."""


@dataclass(frozen=True)
class Content:
    """What a comparison of all recordings of a corpus found.

    Attributes:
        feature: Whose functionals were compared; empty if none were.
        duplicates: Pairs of recordings that are nearly the same; None if none were looked for.
        speakers: Speakers whose voices are alike.
        not_compared: Why recordings were not compared, and what makes it possible.
    """

    feature: str = ""
    duplicates: NearDuplicates | None = None
    speakers: SimilarSpeakers = field(default_factory=SimilarSpeakers)
    not_compared: str = ""

    def crossing(
        self, folds: list[FoldParts], places: dict[str, int]
    ) -> tuple[int, tuple[NearDuplicate, ...]]:
        """Count the pairs between test and train or dev, at most in a fold, and name the strongest.

        Args:
            folds: The folds.
            places: Position of each utterance that they may use.
        """
        if self.duplicates is None:
            return 0, ()
        found = self.duplicates
        at = np.array([places.get(name, -1) for name in found.ids], dtype=np.int64)
        first, second = at[found.first], at[found.second]
        known = np.flatnonzero((first >= 0) & (second >= 0))
        most, crossing = crossing_pairs(folds, first[known], second[known], len(places))
        return most, found.named(known[crossing[:MOST_NAMED]])

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the audit must know of the comparison, in words."""
        found = [f"content not compared: {self.not_compared}"] if self.not_compared else []
        for one in self.speakers.pairs:
            found.append(
                f"speakers {one.first} and {one.second} may be one speaker under two names: "
                f"similarity {one.similarity:.2f}, threshold {self.speakers.threshold:.2f}, "
                f"other speakers up to {self.speakers.nearest_below:.2f}"
            )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the pairs of the whole corpus among them."""
        plain: dict[str, Any] = {"feature": self.feature, "not_compared": self.not_compared}
        if self.duplicates is not None:
            found = self.duplicates
            named = found.named(range(min(len(found.first), MOST_NAMED)))
            plain |= {
                "threshold": round(found.threshold, 4),
                "spread": round(found.spread, 4),
                "nearest_below": round(found.nearest_below, 4),
                "num_compared": len(found.ids),
                "num_pairs": len(found.first),
                "pairs": [list(pair) for pair in named],
            }
        speakers = self.speakers
        plain["speakers"] = {
            "threshold": speakers.threshold,
            "nearest_below": round(speakers.nearest_below, 4),
            "num_compared": speakers.num_compared,
            "not_compared": speakers.not_compared,
            "pairs": [list(pair) for pair in speakers.pairs],
        }
        return plain
