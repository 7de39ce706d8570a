"""Nested training subsets: the first speakers, and the first utterances of each, of an order."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from tokser.errors import InputError, list_some
from tokser.experiments.scaling.sizes import Sizes
from tokser.experiments.splits.protocols import Split

__all__ = ["Subset", "Varied", "draw_subsets", "require_two_classes"]

Varied = Literal["speakers", "utterances"]


class Subset(NamedTuple):
    """What one model is trained on.

    Attributes:
        fold: Position of the fold whose test part it predicts.
        varied: `speakers` or `utterances`.
        size: Number of speakers, or of utterances of each speaker.
        train: Ids, sorted.
        num_speakers: Of the subset.
        classes: Those that it has; none where numbers are predicted.
    """

    fold: int
    varied: Varied
    size: int
    train: tuple[str, ...]
    num_speakers: int
    classes: tuple[str, ...]


def draw_subsets(
    folds: Sequence[Split],
    speakers: "pd.Series[str]",
    labels: "pd.Series[str] | None",
    sizes: Sizes,
    seed: int,
) -> Iterator[Subset]:
    """Draw an order of speakers and of their utterances in each fold, and cut it at every size.

    A smaller subset is part of each larger one. Every speaker's first utterances have the classes
    in proportion: the k-th of n utterances of a class stands at (k + u) / n, with u random in
    [0, 1), one for each speaker and class.

    Args:
        folds: Train and dev are what is drawn from.
        speakers: Of each utterance, index = id.
        labels: The same of classes; None: utterances are drawn without strata.
        sizes: Where the order is cut.
        seed: Of the order.
    """
    for place, fold in enumerate(folds):
        rng = np.random.default_rng([seed, place])
        ids = np.array(sorted([*fold.train, *fold.dev]), dtype=object)
        voices, names = pd.factorize(speakers.loc[ids].to_numpy(), sort=True)
        strata = np.zeros(len(ids), dtype=object) if labels is None else labels.loc[ids].to_numpy()
        kinds, classes = pd.factorize(strata, sort=True)
        of_speaker = rng.permutation(len(names))[voices]
        of_utterance = _ranks(_spread(voices * len(classes) + kinds, rng), voices)
        cuts: list[tuple[Varied, int, np.ndarray]] = [
            *(("speakers", size, of_speaker < size) for size in sizes.speakers),
            *(("utterances", size, of_utterance < size) for size in sizes.utterances),
        ]
        for varied, size, is_in in cuts:
            found = () if labels is None else tuple(map(str, classes[np.unique(kinds[is_in])]))
            number = len(np.unique(voices[is_in]))
            yield Subset(place, varied, size, tuple(ids[is_in]), number, found)


def _spread(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a place in [0, 1) of each utterance, evenly spaced within its group."""
    counts = np.bincount(groups)
    shuffled = _ranks(rng.random(len(groups)), groups)
    return np.asarray((shuffled + rng.random(len(counts))[groups]) / counts[groups])


def _ranks(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return how many of its group have a smaller value."""
    order = np.lexsort((values, groups))
    counts = np.bincount(groups)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    ranks = np.empty(len(groups), dtype=np.int64)
    ranks[order] = np.arange(len(groups)) - np.repeat(starts, counts)
    return ranks


def require_two_classes(subsets: Sequence[Subset]) -> None:
    """Raise `InputError` if a subset has one class alone, which nothing can be trained on."""
    poor = {(one.varied, one.size): one.classes[0] for one in subsets if len(one.classes) == 1}
    if not poor:
        return
    fit = {(one.varied, one.size) for one in subsets} - poor.keys()
    larger = {varied: sorted(n for kind, n in fit if kind == varied) for varied, _ in poor}
    ways = [f"--{kind} {','.join(map(str, sizes))}" for kind, sizes in larger.items() if sizes]
    faults = [f"only {label} in one of {size} {varied}" for (varied, size), label in poor.items()]
    raise InputError(
        "the subsets",
        expected="at least two classes in each",
        got=list_some(faults),
        remedy=f"Leave the small sizes out: {' '.join(ways)}."
        if ways
        else "The corpus is too small for a curve: add speakers that have several classes.",
    )
