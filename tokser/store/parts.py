"""A group that grew: its first part lies where the group lies, later ones under `parts/`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokser.store.feature_name import PARTS
from tokser.store.layout import Layout
from tokser.store.schema import GroupAttributes

__all__ = ["Part", "part_path", "positions_of"]


@dataclass(frozen=True, eq=False)
class Part:
    """Rows that were planned at once, in an order and in shards of their own.

    Attributes:
        path: Where they lie: the group's name, or a place under it.
        attributes: What the part says about itself.
        layout: Where the rows of each of its utterances lie.
        numbers: Numbers of its utterances, int64 [utterances of the part].
        positions: Their positions in the table; -1 of those that were removed, or that a later
            part holds again.
    """

    path: str
    attributes: GroupAttributes
    layout: Layout
    numbers: NDArray[np.int64]
    positions: NDArray[np.int64]


def part_path(group: str, number: int) -> str:
    """Return where a part of a group lies; 0 is the first."""
    return f"{group}/{PARTS}/{number}" if number else group


def positions_of(
    numbers: list[NDArray[np.int64]], table: NDArray[np.int64], num_ever: int
) -> list[NDArray[np.int64]]:
    """Find the utterances of each part in the table.

    Args:
        numbers: Of the utterances of each part, oldest part first.
        table: Numbers of the table's utterances, in order.
        num_ever: Numbers that were ever given.

    Returns:
        Positions in the table; -1 where the number is not in it, or in a later part again.
    """
    position_of = np.full(num_ever, -1, dtype=np.int64)
    position_of[table] = np.arange(len(table))
    last_part = np.full(num_ever, -1, dtype=np.int64)
    for part, here in enumerate(numbers):
        last_part[here] = part
    return [
        np.where(last_part[here] == part, position_of[here], -1)
        for part, here in enumerate(numbers)
    ]
