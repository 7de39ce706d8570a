"""Which utterances share a forward pass. Pure arithmetic."""

from collections.abc import Sequence

__all__ = ["MAX_WASTE", "near_equal"]

MAX_WASTE = 0.05
"""Share of a forward pass that may be padding."""


def near_equal(
    lengths: Sequence[int], budget: int, *, max_waste: float = MAX_WASTE
) -> list[list[int]]:
    """Group the longest first, as many as budget and padding allow.

    Args:
        lengths: Length of each utterance, in any unit.
        budget: Most that a group may hold, padding included; one that is longer stands alone.
        max_waste: Largest share of a group that may be padding, 0 to 1.

    Returns:
        Positions of the utterances of each group.
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
