"""A dev part drawn from train, for folds that come with train and test only."""

from dataclasses import replace

import numpy as np
import pandas as pd

from tokser.errors import InputError
from tokser.experiments.splits.protocols import Split

__all__ = ["draw_dev"]

_SHARE = 0.2
"""Of the utterances in train."""


def draw_dev(split: Split, utterances: pd.DataFrame, *, seed: int) -> Split:
    """Move about 20 % of a fold's train part to dev.

    Whole speakers are drawn, at least one, until another would take dev further from 20 %. Where a
    speaker is unknown, or there is one only, utterances are drawn at random, 20 % of each class.

    Args:
        split: A fold without dev.
        utterances: Columns `label`, `speaker`; index = id.
        seed: Decides who is drawn, together with what is in train: the order of ids does not.

    Returns:
        The fold with train and dev, and `dev_drawn`: `speaker` or `random`.

    Raises:
        InputError: Train has fewer than two utterances.
    """
    table = utterances.loc[sorted(split.train)]
    if len(table) < 2:
        raise InputError(
            f"fold {split.fold}",
            expected="at least two utterances in train, for a dev part is drawn from it",
            got=str(len(table)),
            remedy="Name a `dev` part in the file of splits, or more in `train`.",
        )
    speakers = table["speaker"]
    rng = np.random.default_rng(seed)
    if speakers.ne("").all() and speakers.nunique() > 1:
        is_dev, how = speakers.isin(_whole_speakers(speakers, rng)), "speaker"
    else:
        is_dev, how = table.index.to_series().isin(_of_each_class(table["label"], rng)), "random"
    train, dev = (tuple(str(name) for name in table.index[which]) for which in (~is_dev, is_dev))
    return replace(split, train=train, dev=dev, dev_drawn=how)


def _whole_speakers(speakers: "pd.Series[str]", rng: np.random.Generator) -> list[str]:
    """Draw speakers until the next would take them further from the share; never all."""
    counts = speakers.value_counts().sort_index()
    wanted = _SHARE * len(speakers)
    drawn: list[str] = []
    num_drawn = 0
    for name in rng.permutation(counts.index.to_numpy(dtype=str))[:-1]:
        num_then = num_drawn + int(counts[name])
        if drawn and abs(num_then - wanted) >= abs(num_drawn - wanted):
            break
        drawn.append(str(name))
        num_drawn = num_then
    return drawn


def _of_each_class(labels: "pd.Series[str]", rng: np.random.Generator) -> list[str]:
    """Draw the share of each class, which leaves at least one in train; at least one in all."""
    drawn: list[str] = []
    for _, members in labels.groupby(labels, sort=True):
        count = min(round(_SHARE * len(members)), len(members) - 1)
        drawn += [str(name) for name in rng.permutation(members.index.to_numpy(dtype=str))[:count]]
    return drawn or [str(rng.choice(labels.index.to_numpy(dtype=str)))]
