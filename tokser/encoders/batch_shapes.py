"""Which inputs share a batch, its shape, and the row of each input. Pure arithmetic."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

__all__ = ["MAX_WASTE", "fixed_shape_batches", "group_near_equal"]

MAX_WASTE = 0.05
"""Largest share of a batch that may be padding."""


def group_near_equal(
    lengths: Sequence[int], budget: int, *, max_waste: float = MAX_WASTE
) -> list[list[int]]:
    """Group inputs of near-equal length, longest first, within a budget and a share of padding.

    Args:
        lengths: Length of each input, in any unit.
        budget: Largest size of a group, padding included; a longer input is alone in its group.
        max_waste: Largest share of a group that may be padding, 0 to 1.

    Returns:
        Positions of the inputs of each group.
    """
    groups: list[list[int]] = []
    longest = filled = 0
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[position]
        padded = longest * (len(groups[-1]) + 1) if groups else 0
        if groups and padded <= budget and filled + length >= (1 - max_waste) * padded:
            groups[-1].append(position)
            filled += length
        else:
            groups.append([position])
            longest = filled = length
    return groups


def fixed_shape_batches(
    sequences: Sequence[NDArray[np.int32]], num_rows: int
) -> tuple[list[NDArray[np.int32]], list[int]]:
    """Put each distinct sequence into a batch whose shape, and its row, follow from it alone.

    How a product rounds depends on the shape of its operands, and may depend on the place within
    them, but not on what else they hold. So batches hold sequences of one length, always
    `num_rows` of them, and the row of a sequence is its digest modulo `num_rows`: wherever it is
    encoded, the same numbers come out. Rows that nothing falls into repeat another sequence.

    Args:
        sequences: Token ids of each; equal ones share a row.
        num_rows: Rows of every batch; with 1, each distinct sequence stands alone.

    Returns:
        Batches [num_rows, tokens], shortest first, and for each sequence its row, all batches
        counted through.
    """
    by_row: dict[tuple[int, int], dict[bytes, NDArray[np.int32]]] = defaultdict(dict)
    keys = [np.ascontiguousarray(one, dtype=np.int32).tobytes() for one in sequences]
    for key, one in zip(keys, sequences, strict=True):
        by_row[len(one), xxhash.xxh3_64_intdigest(key) % num_rows].setdefault(key, one)
    batches: list[NDArray[np.int32]] = []
    row_of: dict[bytes, int] = {}
    for length in sorted({length for length, _ in by_row}):
        columns = {row: by_row[length, row] for row in range(num_rows) if (length, row) in by_row}
        first = len(batches)
        for row, column in columns.items():
            for depth, (key, one) in enumerate(column.items(), start=first):
                if depth == len(batches):
                    batches.append(np.tile(one, (num_rows, 1)))
                batches[depth][row] = one
                row_of[key] = depth * num_rows + row
    return batches, [row_of[key] for key in keys]
