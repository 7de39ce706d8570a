"""Rows of several utterances in one array, padded or one after the other."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Allocate", "PaddedBatch", "RaggedBatch", "gather_padded", "gather_ragged"]

_READERS = 8
"""Utterances read at once where a read waits for a library or a network."""

Read = Callable[[int], NDArray[Any]]
Allocate = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]


@dataclass(frozen=True)
class PaddedBatch:
    """Utterances side by side, zeros after the last row of each.

    Attributes:
        rows: [utterances, longest, dim].
        lengths: Rows of each, int64 [utterances].
    """

    rows: NDArray[Any]
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class RaggedBatch:
    """Utterances one after the other.

    Attributes:
        rows: [rows of all, dim].
        lengths: Rows of each, int64 [utterances].
    """

    rows: NDArray[Any]
    lengths: NDArray[np.int64]


def gather_padded(
    read: Read,
    positions: Sequence[int],
    lengths: NDArray[np.int64],
    empty: NDArray[Any],
    *,
    at_once: bool,
) -> PaddedBatch:
    """Copy utterances into one padded array.

    Args:
        read: Returns the rows of the utterance at a position.
        positions: Of the utterances.
        lengths: Rows of each, [utterances].
        empty: An array [0, dim] of the right dtype.
        at_once: Read several at the same time.
    """
    longest = int(lengths.max(initial=0))
    rows = np.empty((len(positions), longest, *empty.shape[1:]), dtype=empty.dtype)

    def fill(place: int) -> None:
        length = lengths[place]
        rows[place, :length] = read(positions[place])
        rows[place, length:] = 0

    _for_each(fill, len(positions), at_once=at_once)
    return PaddedBatch(rows, lengths)


def gather_ragged(
    read: Read,
    positions: Sequence[int],
    lengths: NDArray[np.int64],
    empty: NDArray[Any],
    *,
    at_once: bool,
    allocate: Allocate = np.empty,
) -> RaggedBatch:
    """Copy utterances into one array, one after the other.

    Arguments as `gather_padded`, and `allocate`, which makes the array from shape and dtype.
    """
    ends = np.cumsum(lengths)
    rows = allocate((int(lengths.sum()), *empty.shape[1:]), empty.dtype)

    def fill(place: int) -> None:
        rows[ends[place] - lengths[place] : ends[place]] = read(positions[place])

    _for_each(fill, len(positions), at_once=at_once)
    return RaggedBatch(rows, lengths)


def _for_each(fill: Callable[[int], None], number: int, *, at_once: bool) -> None:
    if at_once:
        with ThreadPoolExecutor(_READERS) as pool:
            for _ in pool.map(fill, range(number)):
                pass
    else:
        for place in range(number):
            fill(place)
