"""What the parts of a split share, what they lack, and what they are too small to show."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from tokser.classify.protocols import Split, sentences_of

__all__ = ["Audit", "audit_splits"]

_LEAST_DISCORDANT = 6
"""Utterances that two systems must differ in, all one way, before a sign test gives p < 5 %."""
_SMALL_TEST = 100
"""Test utterances below which one error costs more than a point of accuracy."""
_CLASSES = frozenset(
    {"missing_classes", "points_per_error", "rarest", "num_rarest", "uar_points_per_error"}
    | {"points_to_tell_apart"}
)
"""What only an audit of classes tells."""


@dataclass(frozen=True)
class Audit:
    """What is wrong with the splits of one protocol.

    Attributes:
        leaks: What test shares with train or dev: `speakers`, `sessions`, `sentences`,
            `recordings` (the same audio under several ids).
        shared: How many of each are shared at most, over the folds.
        examples: Some of what the worst fold shares, by kind.
        missing_classes: Classes that a part lacks, for instance `12 test: disgust`.
        parts: Fewest and most utterances of train, dev and test, over the folds.
        num_folds: Folds, of all seeds.
        num_test: Utterances in all test parts of a seed.
        smallest_test: Utterances in the smallest test part.
        points_per_error: What one error there costs, in points of accuracy.
        rarest: The class with the fewest test utterances, over all folds of a seed.
        num_rarest: How many those are.
        uar_points_per_error: What one error in it costs, in points of UAR of all folds together.
        points_to_tell_apart: Two systems that differ by less, in points of accuracy over all test
            utterances, can never differ significantly (sign test, 5 %).
        num_utterances: Utterances in any part.
        unknown_speakers: How many of them have no speaker.
        predicts_classes: Whether classes are predicted; where numbers are, nothing is said of
            accuracy, UAR and classes.
    """

    leaks: tuple[str, ...]
    shared: dict[str, int]
    examples: dict[str, tuple[str, ...]]
    missing_classes: tuple[str, ...]
    parts: dict[str, tuple[int, int]]
    num_folds: int
    num_test: int
    smallest_test: int
    points_per_error: float
    rarest: str
    num_rarest: int
    uar_points_per_error: float
    points_to_tell_apart: float
    num_utterances: int
    unknown_speakers: int
    predicts_classes: bool = True

    @property
    def stamp(self) -> str:
        """What every table made of a protocol carries that leaks, or whose speakers are unknown."""
        shown = [name for name in ("speakers", "recordings") if name in self.leaks]
        found = [f"LEAKS {' AND '.join(shown).upper()}"] if shown else []
        if self.unknown_speakers:
            is_part = self.unknown_speakers < self.num_utterances
            share = f" ({self.unknown_speakers} OF {self.num_utterances})" if is_part else ""
            found.append(f"SPEAKERS UNKNOWN{share}")
        return ", ".join(found)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What cannot be known, and what the test parts are too small for, in words."""
        found = []
        if self.unknown_speakers:
            found.append(
                f"{self.unknown_speakers} of {self.num_utterances} utterances have no speaker: "
                "whether test shares speakers with train cannot be told, and where they are "
                "tested there is no interval"
            )
        if not self.predicts_classes:
            return tuple(found)
        if self.num_test < _SMALL_TEST:
            found.append(
                f"n = {self.num_test}: one error costs {100 / self.num_test:.2f} points of "
                f"accuracy, and a difference under {self.points_to_tell_apart:.1f} points "
                "cannot be significant"
            )
        if self.uar_points_per_error > 1:
            found.append(
                f"{self.num_rarest} test utterances of {self.rarest}: one error there costs "
                f"{self.uar_points_per_error:.2f} points of UAR"
            )
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """Return the audit as plain values; without those on classes where none are predicted."""
        told = {k: v for k, v in asdict(self).items() if self.predicts_classes or k not in _CLASSES}
        return told | {"stamp": self.stamp, "remarks": self.remarks}


def audit_splits(
    splits: Sequence[Split],
    utterances: pd.DataFrame,
    *,
    recordings: Mapping[str, str] | None = None,
    num_seeds: int = 1,
    predicts_classes: bool = True,
) -> Audit:
    """Compare the parts of all folds.

    Args:
        splits: The folds of one protocol, of all seeds.
        utterances: Columns `label`, `speaker`, `session`, `transcript`, and `sentence` where the
            corpus has fixed ones; index = id.
        recordings: Checksum of each recording, by id; without it nothing is said of them.
        num_seeds: How many seeds the folds are of.
        predicts_classes: Whether classes are predicted, or numbers.
    """
    values: dict[str, pd.Series[str]] = {
        "speakers": utterances["speaker"],
        "sessions": utterances["session"],
        "sentences": sentences_of(utterances),
    }
    if recordings is not None:
        known = {utterance: recordings.get(utterance, "") for utterance in utterances.index}
        values["recordings"] = pd.Series(known, dtype=object).reindex(utterances.index)
    worst = {name: max((_shared(s, v) for s in splits), key=len) for name, v in values.items()}
    examples = {name: found[:5] for name, found in worst.items() if found}
    if "recordings" in examples:
        examples["recordings"] = _alike(values["recordings"], examples["recordings"])
    sizes = {
        part: [len(getattr(split, part)) for split in splits] for part in ("train", "dev", "test")
    }
    labels = utterances["label"]
    tested = labels.loc[[name for split in splits for name in split.test]].value_counts()
    rarest = min(sorted(set(labels)), key=lambda name: int(tested.get(name, 0)))
    num_test, num_rarest = sum(sizes["test"]) / num_seeds, tested.get(rarest, 0) / num_seeds
    used = list({name for s in splits for name in (*s.train, *s.dev, *s.test)})
    return Audit(
        leaks=tuple(name for name, found in worst.items() if found),
        shared={name: len(found) for name, found in worst.items()},
        examples=examples,
        missing_classes=tuple(dict.fromkeys(_missing(splits, labels))),
        parts={part: (min(counts), max(counts)) for part, counts in sizes.items()},
        num_folds=len(splits),
        num_test=round(num_test),
        smallest_test=min(sizes["test"]),
        points_per_error=100 / max(min(sizes["test"]), 1),
        rarest=rarest,
        num_rarest=round(num_rarest),
        uar_points_per_error=100 / labels.nunique() / max(num_rarest, 1),
        points_to_tell_apart=100 * _LEAST_DISCORDANT / max(num_test, 1),
        num_utterances=len(used),
        unknown_speakers=int(utterances["speaker"].loc[used].eq("").sum()),
        predicts_classes=predicts_classes,
    )


def _shared(split: Split, values: "pd.Series[str]") -> tuple[str, ...]:
    seen = set(values.loc[[*split.train, *split.dev]]) - {""}
    return tuple(sorted(seen & set(values.loc[list(split.test)])))


def _alike(digests: "pd.Series[str]", shared: Sequence[str]) -> tuple[str, ...]:
    """Name the utterances behind checksums: `a = b`."""
    return tuple(" = ".join(digests.index[digests.eq(digest)]) for digest in shared)


def _missing(splits: Sequence[Split], labels: "pd.Series[str]") -> list[str]:
    classes = set(labels)
    found = []
    for split in splits:
        for part in ("train", "dev", "test"):
            lacking = sorted(classes - set(labels.loc[list(getattr(split, part))]))
            if lacking:
                found.append(f"{split.fold} {part}: {', '.join(lacking)}")
    return found
