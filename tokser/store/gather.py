"""Rows of several utterances in one array, padded or one after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Allocate",
    "PaddedBatch",
    "RaggedBatch",
    "Read",
    "ReaderOf",
    "gather_padded",
    "gather_ragged",
    "read_each",
]

_PART_BYTES = 64 * 2**20
"""Of what is gathered, how much is requested at a time, before it is copied."""

Read = Callable[[int], NDArray[Any]]
"""Returns the rows of the utterance at a position."""

ReaderOf = Callable[[Sequence[int]], Read]
"""Requests the utterances at some positions, and returns what reads each of them."""

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
    reader_of: ReaderOf,
    positions: Sequence[int],
    lengths: NDArray[np.int64],
    empty: NDArray[Any],
    allocate: Allocate = np.empty,
) -> PaddedBatch:
    """Copy utterances into one padded array.

    Args:
        reader_of: Requests utterances, and returns what reads them.
        positions: Of the utterances.
        lengths: Rows of each, [utterances].
        empty: An array [0, dim] of the right dtype.
        allocate: Makes the array from shape and dtype.
    """
    longest = int(lengths.max(initial=0))
    rows = allocate((len(positions), longest, *empty.shape[1:]), empty.dtype)
    for place, length, found in read_each(reader_of, positions, lengths, empty):
        rows[place, :length] = found
        rows[place, length:] = 0
    return PaddedBatch(rows, lengths)


def gather_ragged(
    reader_of: ReaderOf,
    positions: Sequence[int],
    lengths: NDArray[np.int64],
    empty: NDArray[Any],
    allocate: Allocate = np.empty,
) -> RaggedBatch:
    """Copy utterances into one array, one after the other; arguments as `gather_padded`."""
    rows = allocate((int(lengths.sum()), *empty.shape[1:]), empty.dtype)
    first = 0
    for _, length, found in read_each(reader_of, positions, lengths, empty):
        rows[first : first + length] = found
        first += length
    return RaggedBatch(rows, lengths)


def read_each(
    reader_of: ReaderOf,
    positions: Sequence[int],
    lengths: NDArray[np.int64],
    empty: NDArray[Any],
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Yield place, number of rows and rows of each utterance, in their order."""
    row_bytes = empty.dtype.itemsize * max(int(np.prod(empty.shape[1:])), 1)
    ends = np.cumsum(lengths) * row_bytes
    parts = np.maximum(ends - 1, 0) // _PART_BYTES  # never falls
    for part in np.unique(parts).tolist():
        first, after = np.searchsorted(parts, [part, part + 1]).tolist()
        read = reader_of(positions[first:after])
        counts = lengths[first:after].tolist()
        for place, length in enumerate(counts, start=first):
            yield place, length, read(positions[place])
