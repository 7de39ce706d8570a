"""What the parts of a split share, what they lack, and what they are too small to show."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pandas as pd

from tokser.experiments.classification import Classification
from tokser.experiments.splits.content import Content
from tokser.experiments.splits.near_duplicates import NearDuplicate
from tokser.experiments.splits.protocols import Split
from tokser.experiments.splits.seen_labels import names_group
from tokser.experiments.splits.sentences import sentences_of
from tokser.experiments.splits.sharing import (
    Groups,
    missing_classes,
    parts_of,
    used_ids,
    worst_shared,
)
from tokser.experiments.task import Task

__all__ = ["Audit", "audit_splits"]

_CLASSES: Task = Classification()
_PARTS = ("train", "dev", "test")
_LEAST_DISCORDANT = 6
"""Utterances that two systems must differ in, all one way, before a sign test gives p < 5 %."""
_SMALL_TEST = 100
"""Test utterances below which one error costs more than a point of accuracy."""
_OF_CLASSES = frozenset(
    {"missing_classes", "points_per_error", "rarest", "num_rarest", "uar_points_per_error"}
    | {"points_to_tell_apart"}
)
"""What only an audit of classes tells."""
MANY_FOLDS = 100
"""Folds of a seed from which on `kfold` is offered: each of them is trained."""


@dataclass(frozen=True)
class Audit:
    """What the splits of one protocol share, lack, and are too small for.

    Attributes:
        leaks: What test shares with train or dev: `speakers`, `sessions`, `sentences`,
            `recordings` (the same file under several ids), `near-duplicates` (nearly the same
            audio), `labels` (features were tuned on the labels of test utterances).
        shared: How many of each are shared at most, over the folds.
        examples: Some of what the worst fold shares, by kind.
        missing_classes: Classes that a part lacks, for instance `12 test: disgust`.
        parts: Fewest and most utterances of train, dev and test, over the folds.
        num_folds: Folds, of all seeds.
        num_test: Utterances in all test parts of a seed.
        smallest_test: Utterances in the smallest test part.
        points_per_error: What one error in it costs, in points of accuracy.
        rarest: The class with the fewest test utterances, over all folds of a seed.
        num_rarest: How many those are.
        uar_points_per_error: What one error in it costs, in points of UAR of all folds together.
        points_to_tell_apart: Two systems that differ by less, in points of accuracy over all test
            utterances, can never differ significantly (sign test, 5 %).
        num_utterances: Utterances in any part.
        unknown_speakers: How many of them have no speaker.
        predicts_classes: Whether classes are predicted; where numbers are, nothing is said of
            accuracy, UAR and classes.
        near_duplicates: The strongest pairs that lie on both sides of some fold.
        content: What the comparison of all recordings found, see `Content.to_json`.
        content_remarks: What to know of it, in words.
        folds_per_seed: Folds of one seed.
        seen_labels: By group of tuned features: test utterances, of the fold that has most, whose
            labels they have seen. Then `labels` is among the leaks.
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
    near_duplicates: tuple[NearDuplicate, ...] = ()
    content: Mapping[str, Any] = field(default_factory=dict)
    content_remarks: tuple[str, ...] = ()
    folds_per_seed: int = 0
    seen_labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def stamp(self) -> str:
        """What every table made of a protocol carries that leaks, or whose speakers are unknown."""
        leaks = {"recordings" if name == "near-duplicates" else name for name in self.leaks}
        shown = [name for name in ("speakers", "recordings", "labels") if name in leaks]
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
        if self.predicts_classes and self.num_test < _SMALL_TEST:
            found.append(
                f"n = {self.num_test}: one error costs {100 / self.num_test:.2f} points of "
                f"accuracy, and a difference under {self.points_to_tell_apart:.1f} points "
                "cannot be significant"
            )
        if self.predicts_classes and self.uar_points_per_error > 1:
            found.append(
                f"{self.num_rarest} test utterances of {self.rarest}: one error in this class "
                f"costs {self.uar_points_per_error:.2f} points of UAR"
            )
        if self.folds_per_seed > MANY_FOLDS:
            found.append(
                f"{self.folds_per_seed:,} folds, each trained for every feature and grid point: "
                "the protocol kfold keeps speakers together in a few folds (--protocol kfold)"
            )
        for group, number in self.seen_labels.items():
            found.append(
                f"{group} was tuned on the labels of {number} test utterances of a fold: scores on "
                "its features do not hold for new utterances"
            )
        return (*found, *self.content_remarks)

    def with_seen_labels(self, tested: Mapping[str, Sequence[str]]) -> "Audit":
        """Return the audit of experiments on tuned features.

        Args:
            tested: Test utterances whose labels the features of a group have seen, by group.
        """
        if not tested:
            return self
        worst = max(tested.values(), key=len)
        return replace(
            self,
            leaks=(*self.leaks, "labels"),
            shared=self.shared | {"labels": len(worst)},
            examples=self.examples | {"labels": tuple(worst[:5])},
            seen_labels={group: len(names) for group, names in tested.items()},
        )

    def of_features(self, expression: str) -> "Audit":
        """Return the audit of an expression: labels leak only where it names tuned features."""
        own = {g: n for g, n in self.seen_labels.items() if names_group(expression, g)}
        if own or not self.seen_labels:
            return replace(self, seen_labels=own) if self.seen_labels else self
        return replace(
            self, leaks=tuple(name for name in self.leaks if name != "labels"), seen_labels={}
        )

    def to_json(self) -> dict[str, Any]:
        """Return the audit as plain values; without those on classes where none are predicted."""
        left_out = {"content_remarks"} | (set() if self.predicts_classes else _OF_CLASSES)
        left_out |= set() if self.seen_labels else {"seen_labels"}
        plain = {key: value for key, value in asdict(self).items() if key not in left_out}
        return plain | {"stamp": self.stamp, "remarks": self.remarks}


def audit_splits(
    splits: Sequence[Split],
    utterances: pd.DataFrame,
    *,
    recordings: Mapping[str, str] | None = None,
    content: Content | None = None,
    num_seeds: int = 1,
    task: Task = _CLASSES,
) -> Audit:
    """Compare the parts of all folds.

    Args:
        splits: The folds of one protocol, of all seeds; their parts do not overlap.
        utterances: Columns `label`, `speaker`, `session`, `transcript`, and `sentence` where the
            corpus has fixed ones; index = id.
        recordings: Checksum of each recording, by id; without it nothing is said of them.
        content: What a comparison of the recordings' activations found.
        num_seeds: How many seeds the folds are of.
        task: What is predicted; where it has no classes, nothing is said of them.
    """
    values = _compared(utterances, recordings)
    folds = parts_of(splits, list(utterances.index))
    worst = {name: worst_shared(folds, Groups.of(v)) for name, v in values.items()}
    examples = {name: found[:5] for name, found in worst.items() if found}
    if "recordings" in examples:
        examples["recordings"] = _alike(values["recordings"], examples["recordings"])
    shared = {name: len(found) for name, found in worst.items()}
    near: tuple[NearDuplicate, ...] = ()
    if content is not None and content.duplicates is not None:
        places = {name: place for place, name in enumerate(utterances.index)}
        shared["near-duplicates"], near = content.crossing(folds, places)
    sizes = {part: [len(getattr(split, part)) for split in splits] for part in _PARTS}
    labels = task.labels(utterances)
    num_test = sum(sizes["test"]) / num_seeds
    rarest, num_rarest = ("", 0.0) if labels is None else _rarest(labels, splits, num_seeds)
    used = list(used_ids(splits, set(utterances.index)))
    return Audit(
        leaks=tuple(name for name, count in shared.items() if count),
        shared=shared,
        examples=examples,
        missing_classes=() if labels is None else missing_classes(folds, Groups.of(labels)),
        parts={part: (min(counts), max(counts)) for part, counts in sizes.items()},
        num_folds=len(splits),
        num_test=round(num_test),
        smallest_test=min(sizes["test"]),
        points_per_error=100 / max(min(sizes["test"]), 1),
        rarest=rarest,
        num_rarest=round(num_rarest),
        uar_points_per_error=0.0 if labels is None else _uar_points(labels, num_rarest),
        points_to_tell_apart=100 * _LEAST_DISCORDANT / max(num_test, 1),
        num_utterances=len(used),
        unknown_speakers=int(utterances["speaker"].loc[used].eq("").sum()),
        predicts_classes=labels is not None,
        near_duplicates=near,
        content={} if content is None else content.to_json(),
        content_remarks=() if content is None else content.remarks,
        folds_per_seed=len(splits) // num_seeds,
    )


def _compared(
    utterances: pd.DataFrame, recordings: Mapping[str, str] | None
) -> "dict[str, pd.Series[str]]":
    """Return what the parts of a fold are compared by."""
    values: dict[str, pd.Series[str]] = {
        "speakers": utterances["speaker"],
        "sessions": utterances["session"],
        "sentences": sentences_of(utterances),
    }
    if recordings is not None:
        known = {utterance: recordings.get(utterance, "") for utterance in utterances.index}
        values["recordings"] = pd.Series(known, dtype=object).reindex(utterances.index)
    return values


def _uar_points(labels: "pd.Series[str]", num_rarest: float) -> float:
    """Return what one error in the rarest class costs, in points of UAR."""
    return float(100 / labels.nunique() / max(num_rarest, 1))


def _rarest(labels: "pd.Series[str]", splits: Sequence[Split], num_seeds: int) -> tuple[str, float]:
    """Return the class with the fewest test utterances, and how many those are for a seed."""
    tested = labels.loc[[name for split in splits for name in split.test]].value_counts()
    rarest = min(sorted(set(labels)), key=lambda name: int(tested.get(name, 0)))
    return rarest, tested.get(rarest, 0) / num_seeds


def _alike(digests: "pd.Series[str]", shared: Sequence[str]) -> tuple[str, ...]:
    """Name the utterances behind checksums: `a = b`."""
    return tuple(" = ".join(digests.index[digests.eq(digest)]) for digest in shared)
