"""How many speakers and utterances per speaker the points of a curve have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tokser.errors import InputError, list_some
from tokser.experiments.splits.protocols import Split

__all__ = ["Sizes", "find_sizes"]

_MOST_SPEAKER_SIZES, _MOST_UTTERANCE_SIZES = 7, 6
_FEWEST_OF_CLASS = 3
"""Training utterances of a class, on average, at the smallest number of utterances."""


@dataclass(frozen=True)
class Sizes:
    """The points of both curves.

    Attributes:
        speakers: Numbers of training speakers, ascending.
        utterances: Numbers of utterances per speaker, ascending; the largest may be more than a
            speaker has, which are all of them.
    """

    speakers: tuple[int, ...]
    utterances: tuple[int, ...]


def find_sizes(
    folds: Sequence[Split],
    speakers: "pd.Series[str]",
    num_classes: int,
    *,
    num_speakers: Sequence[int] = (),
    num_utterances: Sequence[int] = (),
) -> Sizes:
    """Return the sizes that are asked for, or those that suit the corpus.

    Args:
        folds: Train and dev are what subsets are drawn from.
        speakers: Of each utterance, index = id.
        num_classes: 0 where numbers are predicted.
        num_speakers: What is asked for; none: from 1 to all that every fold has, in equal ratios.
        num_utterances: The same; none: from about three of each class in all to all.

    Raises:
        InputError: Folds have fewer than two training speakers, or fewer than are asked for.
    """
    counts = [speakers.loc[[*fold.train, *fold.dev]].value_counts() for fold in folds]
    fewest = min(map(len, counts))
    if fewest < 2:
        raise InputError(
            "the corpus",
            expected="at least 2 training speakers in every fold, beside those that are tested",
            got=str(fewest),
            remedy="Add speakers, or take --protocol kfold with more --folds.",
        )
    most = int(max(count.max() for count in counts))
    _require("--speakers", num_speakers, fewest, "training speakers of the fold with the fewest")
    _require("--utterances", num_utterances, most, "utterances of the speaker with the most")
    mean = float(np.mean([count.mean() for count in counts]))
    least = max(2, -(-_FEWEST_OF_CLASS * num_classes // fewest))
    found = _spread(1, fewest, _MOST_SPEAKER_SIZES)
    of_each = _spread(min(least, most), max(min(least, most), round(mean)), _MOST_UTTERANCE_SIZES)
    return Sizes(
        tuple(sorted(set(num_speakers))) or found,
        tuple(sorted(set(num_utterances))) or (*of_each[:-1], most),
    )


def _spread(least: int, most: int, number: int) -> tuple[int, ...]:
    """Return whole numbers from the least to the most in about equal ratios."""
    return tuple(sorted({round(float(one)) for one in np.geomspace(least, most, number)}))


def _require(option: str, wanted: Sequence[int], most: int, what: str) -> None:
    beyond = [str(one) for one in wanted if one > most]
    if beyond:
        raise InputError(
            option,
            expected=f"at most {most}, the {what}",
            got=list_some(beyond),
            remedy="Name smaller numbers, or leave the option out.",
        )
