"""Train and dev part of pretraining, and whose speech is the mismatched speech of whom."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tokser.errors import InputError, list_some

__all__ = ["mismatched_speech", "split_train_dev"]


def split_train_dev(
    utterances: pd.DataFrame, ids: Sequence[str], *, dev_fraction: float, seed: int
) -> tuple[list[str], list[str]]:
    """Split utterances into train and dev by speakers.

    Args:
        utterances: Manifest; where its column `split` names both, parts that begin with `dev`
            are dev, those with `train` train, and the others neither. Parts that begin with
            `test` are never used.
        ids: Utterances that can be used.
        dev_fraction: Share of speakers held out where the corpus names no dev part.
        seed: Of the draw of speakers.

    Raises:
        InputError: There is nothing to train on, or fewer than two utterances in dev, so that
            none has mismatched speech.
    """
    table = utterances.loc[list(ids)]
    splits = table["split"].astype(str) if "split" in table else pd.Series("", index=table.index)
    is_dev, is_train = splits.str.startswith("dev"), splits.str.startswith("train")
    if not (is_dev.any() and is_train.any()):
        is_test = splits.str.startswith("test")
        held_out = _hold_out(table["speaker"][~is_test], dev_fraction, seed)
        is_dev = table["speaker"].isin(held_out) & ~is_test
        is_train = ~is_dev & ~is_test
    train, dev = list(table.index[is_train]), list(table.index[is_dev])
    if not train or len(dev) < 2:
        raise InputError(
            "train and dev part",
            expected="utterances of at least two speakers, or of a train and a dev part, "
            "two of them in dev",
            got=f"{len(train)} to train on, {len(dev)} to select the epoch by "
            f"({list_some(list(table.index)) or 'no utterance'})",
            remedy="Extract a dev split too, for instance dev-clean.",
        )
    return train, dev


def _hold_out(speakers: "pd.Series[str]", fraction: float, seed: int) -> list[str]:
    """Draw a share of the speakers, and more until they have two utterances."""
    counts = speakers.value_counts().sort_index()
    drawn = [str(name) for name in np.random.default_rng(seed).permutation(counts.index)]
    most = len(drawn) - 1
    count = min(max(1, round(fraction * len(drawn))), most)
    while count < most and counts[drawn[:count]].sum() < 2:
        count += 1
    return drawn[: max(count, 0)]


def mismatched_speech(
    ids: Sequence[str], transcripts: "pd.Series[str]", *, seed: int
) -> dict[str, str]:
    """Assign every utterance another one, which says something else, as mismatched speech.

    Utterances of the same transcript are put side by side, in random order, and all are
    moved on by the size of the largest such group: so each leaves its own group, unless one
    group holds more than half of all.

    Args:
        ids: Utterances, at least two.
        transcripts: What each says, index = id.
        seed: Of the order.

    Returns:
        For each id another one; each occurs once.

    Raises:
        InputError: There is one utterance only.
    """
    if len(ids) < 2:
        raise InputError(
            "dev part",
            expected="at least two utterances, so that each has mismatched speech",
            got=list_some(list(ids)) or "none",
            remedy="Raise --dev-fraction, or extract a larger dev split.",
        )
    said = [str(transcripts[name]) for name in ids]
    order = {text: place for place, text in enumerate(sorted(set(said)))}
    places = np.random.default_rng(seed).permutation(len(order))
    mixed = [
        name for _, name in sorted((places[order[t]], n) for t, n in zip(said, ids, strict=True))
    ]
    step = min(max(pd.Series(said).value_counts().max(), 1), len(ids) - 1)
    return {name: mixed[(place + step) % len(ids)] for place, name in enumerate(mixed)}
