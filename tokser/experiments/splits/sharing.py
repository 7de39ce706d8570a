"""What the parts of folds share: groups as integers, so that thousands of folds take seconds."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.experiments.splits.protocols import Split
from tokser.progress import progress_bar

__all__ = [
    "FoldParts",
    "Groups",
    "crossing_pairs",
    "first_labels",
    "missing_classes",
    "parts_of",
    "untrained_labels",
    "used_ids",
    "worst_shared",
]

_LONG = 2_000_000
"""Utterances in all parts of all folds from which on a bar is shown."""

Positions = NDArray[np.int64]


class FoldParts(NamedTuple):
    """The parts of one fold, as positions in the table of utterances.

    Attributes:
        train: None if train is all utterances that are in neither dev nor test.
    """

    fold: str
    train: Positions | None
    dev: Positions
    test: Positions

    def seen(self) -> Positions:
        """Train and dev; only where train is given."""
        assert self.train is not None
        return np.concatenate([self.train, self.dev])


@dataclass(frozen=True)
class Groups:
    """A column of a table as integers.

    Attributes:
        codes: Number of each utterance's value, [utterances]; -1 where it is unknown.
        names: The values, sorted.
        totals: Utterances of each value.
    """

    codes: Positions
    names: NDArray[np.object_]
    totals: Positions

    @classmethod
    def of(cls, values: "pd.Series[str]") -> "Groups":
        """Number the values of a column; an empty text is unknown."""
        texts = values.astype(object).to_numpy()
        names = np.array(sorted(set(texts) - {""}), dtype=object)
        numbers = {name: number for number, name in enumerate(names)} | {"": -1}
        codes = np.fromiter((numbers[text] for text in texts), dtype=np.int64, count=len(texts))
        return cls(codes, names, np.bincount(codes[codes >= 0], minlength=len(names)))

    def counts(self, positions: Positions) -> tuple[Positions, Positions]:
        """Return the codes of some utterances that are known, sorted, and how often each occurs."""
        codes = self.codes[positions]
        return np.unique(codes[codes >= 0], return_counts=True)

    def shared(self, parts: FoldParts) -> Positions:
        """Return the codes that test shares with train or dev."""
        tested, counts = self.counts(parts.test)
        if parts.train is None:
            return tested[self.totals[tested] > counts]
        is_seen = np.zeros(len(self.names) + 1, dtype=bool)
        is_seen[self.codes[parts.seen()]] = True  # -1, unknown, is the last place
        return tested[is_seen[tested]]

    def lacking(self, parts: FoldParts) -> dict[str, list[str]]:
        """Return the values that each part lacks, by part."""
        counts = {
            name: np.bincount(codes[codes >= 0], minlength=len(self.names))
            for name, codes in (("dev", self.codes[parts.dev]), ("test", self.codes[parts.test]))
        }
        if parts.train is None:
            train = self.totals - counts["dev"] - counts["test"]
        else:
            codes = self.codes[parts.train]
            train = np.bincount(codes[codes >= 0], minlength=len(self.names))
        return {
            part: [str(name) for name in self.names[found == 0]]
            for part, found in ({"train": train} | counts).items()
        }


def parts_of(splits: Sequence[Split], ids: Sequence[str]) -> list[FoldParts]:
    """Find the utterances of all folds in a table.

    Where the parts of a fold are all utterances together, train is not looked up: time grows with
    the utterances in dev and test, of which each is in few folds.

    Args:
        splits: Folds whose parts do not overlap.
        ids: The table's index.
    """
    places = {name: number for number, name in enumerate(ids)}

    def look_up(names: Sequence[str]) -> Positions:
        return np.fromiter((places[name] for name in names), dtype=np.int64, count=len(names))

    found = []
    for split in _shown(splits):
        is_whole = len(split.train) + len(split.dev) + len(split.test) == len(places)
        train = None if is_whole else look_up(split.train)
        found.append(FoldParts(split.fold, train, look_up(split.dev), look_up(split.test)))
    return found


def worst_shared(folds: Sequence[FoldParts], groups: Groups) -> tuple[str, ...]:
    """Return the values that test shares with train or dev in the fold that shares most."""
    worst = max((groups.shared(parts) for parts in folds), key=len)
    return tuple(str(name) for name in groups.names[worst])


def crossing_pairs(
    folds: Sequence[FoldParts], first: NDArray[np.int64], second: NDArray[np.int64], number: int
) -> tuple[int, Positions]:
    """Find the pairs of utterances that lie on both sides of a fold.

    Args:
        folds: The folds.
        first: Position of one utterance of each pair, [pairs].
        second: The other's.
        number: Utterances in the table.

    Returns:
        How many pairs cross at most in a fold, and the places of all that cross in some fold.
    """
    most, ever = 0, np.zeros(len(first), dtype=bool)
    if not len(first):
        return 0, np.flatnonzero(ever)
    for parts in folds:
        side = np.full(number, 1 if parts.train is None else 0, dtype=np.int8)
        if parts.train is not None:
            side[parts.seen()] = 1
        side[parts.test] = 2
        crosses = side[first] * side[second] == 2
        most = max(most, int(crosses.sum()))
        ever |= crosses
    return most, np.flatnonzero(ever)


def missing_classes(folds: Sequence[FoldParts], labels: Groups) -> tuple[str, ...]:
    """Name the classes that parts lack, for instance `12 test: disgust`."""
    found = [
        f"{parts.fold} {part}: {', '.join(names)}"
        for parts in folds
        for part, names in labels.lacking(parts).items()
        if names
    ]
    return tuple(dict.fromkeys(found))


def used_ids(splits: Sequence[Split], all_ids: Set[str]) -> set[str]:
    """Return the utterances that some part holds; stops once that is all of them."""
    used: set[str] = set()
    for split in splits:
        used.update(split.train, split.dev, split.test)
        if len(used) == len(all_ids):
            break
    return used


def first_labels(split: Split, labels: Mapping[str, str], *, most: int = 2) -> list[str]:
    """Return the first so many different labels in train."""
    found: dict[str, None] = {}
    for name in split.train:
        found[labels[name]] = None
        if len(found) == most:
            break
    return list(found)


def untrained_labels(split: Split, labels: Mapping[str, str]) -> list[str]:
    """Return the labels that test has and train lacks, sorted; reads what it must of train."""
    lacking = {labels[name] for name in split.test}
    for name in split.train:
        lacking.discard(labels[name])
        if not lacking:
            break
    return sorted(lacking)


def _shown(splits: Sequence[Split]) -> Iterator[Split]:
    size = sum(len(split.train) + len(split.dev) + len(split.test) for split in splits)
    if size < _LONG:
        yield from splits
        return
    with progress_bar("Auditing folds", total=len(splits), unit="folds") as bar:
        for split in splits:
            yield split
            bar.advance()
