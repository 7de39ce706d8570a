"""What the parts of a split share, and what they lack."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from tokser.classify.protocols import Split

__all__ = ["Audit", "audit_splits"]


@dataclass(frozen=True)
class Audit:
    """What is wrong with the splits of one protocol.

    Attributes:
        leaks: What test shares with train or dev: `speakers`, `sessions`, `sentences`.
        shared: How many of each are shared at most, over the folds.
        missing_classes: Classes that a part lacks, for instance `12 test: disgust`.
        num_test: Utterances in all test parts.
        smallest_test: Utterances in the smallest test part.
        points_per_error: What one error there costs, in points of accuracy.
    """

    leaks: tuple[str, ...]
    shared: dict[str, int]
    missing_classes: tuple[str, ...]
    num_test: int
    smallest_test: int
    points_per_error: float

    @property
    def stamp(self) -> str:
        """What every table made of a leaking protocol carries."""
        return "LEAKS SPEAKERS" if "speakers" in self.leaks else ""

    def to_json(self) -> dict[str, Any]:
        """Return the audit as plain values."""
        return asdict(self) | {"stamp": self.stamp}


def audit_splits(splits: Sequence[Split], utterances: pd.DataFrame) -> Audit:
    """Compare the parts of all folds.

    Args:
        splits: The folds of one protocol.
        utterances: Columns `label`, `speaker`, `session`, `transcript`, and `sentence` where the
            corpus has fixed ones; index = id.
    """
    columns = {"speakers": "speaker", "sessions": "session"}
    columns["sentences"] = "sentence" if "sentence" in utterances else "transcript"
    shared = {
        name: max(_num_shared(split, utterances[column]) for split in splits)
        for name, column in columns.items()
    }
    smallest = min(len(split.test) for split in splits)
    return Audit(
        leaks=tuple(name for name, count in shared.items() if count),
        shared=shared,
        missing_classes=tuple(_missing(splits, utterances["label"])),
        num_test=sum(len(split.test) for split in splits),
        smallest_test=smallest,
        points_per_error=100 / max(smallest, 1),
    )


def _num_shared(split: Split, values: "pd.Series[str]") -> int:
    seen = set(values.loc[[*split.train, *split.dev]]) - {""}
    return len(seen & set(values.loc[list(split.test)]))


def _missing(splits: Sequence[Split], labels: "pd.Series[str]") -> list[str]:
    classes = set(labels)
    found = []
    for split in splits:
        for part in ("train", "dev", "test"):
            lacking = sorted(classes - set(labels.loc[list(getattr(split, part))]))
            if lacking:
                found.append(f"{split.fold} {part}: {', '.join(lacking)}")
    return found
