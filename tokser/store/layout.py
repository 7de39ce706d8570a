"""Where each utterance's rows lie: whole utterances packed into equal shards. Pure arithmetic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHUNK_BYTES", "Layout", "PartedLayout", "pack", "pack_into"]

CHUNK_BYTES = 2**20
"""What an inner chunk of the widest array holds, about."""

MIN_SHARDS = 16
"""Even a small corpus is cut this often, where chunks allow: a stop loses one shard's work."""


@dataclass(frozen=True)
class Layout:
    """The rows of every utterance of a group, none of which straddles two shards.

    Attributes:
        row_starts: First row of each utterance, int64 [utterances].
        row_lengths: Rows of each utterance, int64 [utterances]; 0 where it has none.
        rows_per_shard: Rows that a full shard spans, a multiple of `rows_per_chunk`.
        rows_per_chunk: Rows of an inner chunk.
    """

    row_starts: NDArray[np.int64]
    row_lengths: NDArray[np.int64]
    rows_per_shard: int
    rows_per_chunk: int

    @cached_property
    def num_rows(self) -> int:
        """Rows of the flat arrays: to the end of the last utterance, gaps included."""
        ends = self.row_starts + self.row_lengths
        return max(int(ends.max()), 1) if len(ends) else 0  # one shard if all are quarantined

    @property
    def num_shards(self) -> int:
        """Shards that hold `num_rows` rows."""
        return -(-self.num_rows // self.rows_per_shard)

    @cached_property
    def shard_of(self) -> NDArray[np.int64]:
        """Shard of each utterance, int64 [utterances], never falling."""
        return np.minimum(self.row_starts // self.rows_per_shard, max(self.num_shards - 1, 0))

    def shard_rows(self, shard: int) -> tuple[int, int]:
        """First row of a shard and the row after its last."""
        first = shard * self.rows_per_shard
        return first, min(first + self.rows_per_shard, self.num_rows)

    def shard_utterances(self, shard: int) -> tuple[int, int]:
        """Position of a shard's first utterance and the position after its last."""
        first, after = np.searchsorted(self.shard_of, [shard, shard + 1])
        return int(first), int(after)

    def utterances(self, shard: int) -> NDArray[np.int64]:
        """Positions of a shard's utterances."""
        return np.arange(*self.shard_utterances(shard), dtype=np.int64)


class PartedLayout:
    """The rows of a group that grew: parts, each with shards of its own, one after the other.

    Attributes:
        row_lengths: Rows of each utterance of the table, int64 [utterances]; 0 where it has none.
        shard_of: Shard of each utterance, counted over the parts; -1 where it is in none.
        part_of: Part of each utterance; -1 where it is in none.
        place_of: Its place in the part, int64 [utterances].
        num_rows: Rows of all parts, gaps included.
        num_shards: Shards of all parts.
    """

    def __init__(self, parts: Sequence[tuple[Layout, NDArray[np.int64]]], num_utterances: int):
        """Put parts together.

        Args:
            parts: Where rows lie, and the position of each utterance in the table; of those that
                several parts hold the last counts; -1 stands for one that is no more.
            num_utterances: Utterances of the table.
        """
        self.first_shards = np.cumsum([0, *(layout.num_shards for layout, _ in parts)])
        self.num_shards = int(self.first_shards[-1])
        self.num_rows = sum(layout.num_rows for layout, _ in parts)
        self.row_lengths = np.zeros(num_utterances, dtype=np.int64)
        self.shard_of, self.part_of, self.place_of = (
            np.full(num_utterances, -1, dtype=np.int64) for _ in range(3)
        )
        for number, (layout, positions) in enumerate(parts):
            places = np.flatnonzero(positions >= 0)
            here = positions[places]
            self.row_lengths[here] = layout.row_lengths[places]
            self.shard_of[here] = layout.shard_of[places] + self.first_shards[number]
            self.part_of[here], self.place_of[here] = number, places

    def utterances(self, shard: int) -> NDArray[np.int64]:
        """Positions of the utterances whose rows a shard holds, in the order of its rows."""
        here = np.flatnonzero(self.shard_of == shard)
        return here[np.argsort(self.place_of[here], kind="stable")]

    def locate(self, shard: int) -> tuple[int, int]:
        """Part of a shard, and its number there."""
        part = int(np.searchsorted(self.first_shards, shard, side="right")) - 1
        return part, shard - int(self.first_shards[part])


def pack(lengths: NDArray[np.int64], row_bytes: Mapping[str, int], shard_bytes: int) -> Layout:
    """Pack utterances, in their order, whole into shards.

    Args:
        lengths: Rows of each utterance, [utterances].
        row_bytes: Bytes of a row, by array; all arrays are cut at the same rows.
        shard_bytes: Budget of one shard over all arrays. The longest utterance may exceed it.

    Returns:
        The layout. Rows left over at a shard's end stay unused.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    longest, total = int(lengths.max(initial=0)), int(lengths.sum())
    chunk = max(1, CHUNK_BYTES // max(row_bytes.values()))
    budget = min(shard_bytes // sum(row_bytes.values()), max(total // MIN_SHARDS, chunk))
    wanted = min(max(budget, longest, 1), max(total, 1))
    rows_per_chunk = min(chunk, wanted)
    rows_per_shard = _round_up(wanted, rows_per_chunk)
    return pack_into(lengths, rows_per_shard, rows_per_chunk)


def pack_into(lengths: NDArray[np.int64], rows_per_shard: int, rows_per_chunk: int) -> Layout:
    """Pack utterances, in their order, whole into shards of a given size."""
    starts = np.empty_like(lengths)
    cursor = 0
    for position, length in enumerate(lengths.tolist()):
        left = rows_per_shard - cursor % rows_per_shard
        if length > left:
            cursor += left
        starts[position] = cursor
        cursor += length
    return Layout(starts, lengths, rows_per_shard, rows_per_chunk)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
