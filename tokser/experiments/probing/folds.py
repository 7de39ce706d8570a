"""The folds of a probe: whole speakers, or whole sentences."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from tokser.errors import InputError
from tokser.experiments.probing.targets import Target

__all__ = ["NUM_FOLDS", "Fold", "deal_folds"]

NUM_FOLDS = 5
_FEWEST_GROUPS = 3
"""For train, dev and test."""


class Fold(NamedTuple):
    """Positions among the target's utterances."""

    train: np.ndarray
    dev: np.ndarray
    test: np.ndarray


def deal_folds(groups: "pd.Series[str]", target: Target, seed: int) -> Iterator[Fold]:
    """Deal whole groups into folds; the next fold is dev.

    Args:
        groups: Of each utterance that has the target.
        target: What is predicted.
        seed: Deals them.

    Raises:
        InputError: There are fewer than three groups.
    """
    names = sorted(groups.unique())
    if len(names) < _FEWEST_GROUPS:
        raise InputError(
            f"target {target.name}",
            expected=f"at least {_FEWEST_GROUPS} {target.grouped_by}s, for train, dev and test",
            got=str(len(names)),
            remedy=f"Take a corpus of more {target.grouped_by}s, or leave this target out with "
            "--targets.",
        )
    number = min(NUM_FOLDS, len(names))
    dealt = np.array_split(np.random.default_rng(seed).permutation(names), number)
    for place, test in enumerate(dealt):
        is_test = groups.isin(test).to_numpy()
        is_dev = groups.isin(dealt[(place + 1) % number]).to_numpy()
        yield Fold(*(np.flatnonzero(own) for own in (~is_test & ~is_dev, is_dev, is_test)))
