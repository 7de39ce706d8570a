"""Batches of near-equal length in random order: little is padded, and orders differ by epoch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_length_batches", "shuffled_batches"]

POOL = 16
"""Batches whose utterances are sorted by length together."""


def shuffled_batches(
    lengths: NDArray[np.int64], batch_size: int, seed: Sequence[int]
) -> list[list[int]]:
    """Put the utterances of an epoch into batches.

    They are shuffled, sorted by length among those of 16 batches, and the batches shuffled again.

    Args:
        lengths: Rows of each utterance.
        batch_size: Utterances in a batch.
        seed: Equal ones give equal batches.

    Returns:
        Positions by batch; each utterance is in one.
    """
    rng = np.random.default_rng(list(seed))
    order = rng.permutation(len(lengths))
    batches: list[list[int]] = []
    for first in range(0, len(order), POOL * batch_size):
        pool = order[first : first + POOL * batch_size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + batch_size].tolist() for i in range(0, len(pool), batch_size)]
    return [batches[place] for place in rng.permutation(len(batches))]


def in_length_batches(lengths: NDArray[np.int64], batch_size: int) -> list[list[int]]:
    """Put utterances into batches by length, for what is not trained."""
    order = np.argsort(lengths, kind="stable")
    return [order[i : i + batch_size].tolist() for i in range(0, len(order), batch_size)]
