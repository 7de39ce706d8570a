"""Ranges of bytes that lie close to each other, as one request. Pure arithmetic."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["GAP_BYTES", "RUN_BYTES", "Run", "join_ranges"]

GAP_BYTES = 2**20
"""Bytes between two ranges that are rather read than spared: a request takes as long."""

RUN_BYTES = 8 * 2**20
"""What one request brings at most, unless one range is longer: several come at the same time."""


class Run(NamedTuple):
    """Bytes of an object, and which ranges lie in them.

    Attributes:
        first: First byte.
        after: The byte after the last.
        members: Places of the ranges.
    """

    first: int
    after: int
    members: list[int]


def join_ranges(
    ranges: Sequence[tuple[int, int]], gap: int = GAP_BYTES, most: int = RUN_BYTES
) -> list[Run]:
    """Join ranges of one object where there is little between them; none is cut.

    Args:
        ranges: First byte of each, and the byte after its last; in any order.
        gap: Bytes between neighbours of a run, at most.
        most: Bytes of a run, at most, unless one range is longer.
    """
    runs: list[Run] = []
    for place in sorted(range(len(ranges)), key=ranges.__getitem__):
        first, after = ranges[place]
        last = runs[-1] if runs else None
        if last and first - last.after <= gap and max(after, last.after) - last.first <= most:
            last.members.append(place)
            runs[-1] = last._replace(after=max(after, last.after))
        else:
            runs.append(Run(first, after, [place]))
    return runs
