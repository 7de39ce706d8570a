"""Columns that a training part leaves constant, said once for each feature and protocol."""

from collections.abc import Mapping, Sequence

import numpy as np

from tokser.experiments.training_data import TrainingData
from tokser.progress import say

__all__ = ["ConstantColumns"]


class ConstantColumns:
    """Says which columns are left out of training because nothing but rounding varies them."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def say(self, data: TrainingData, widths: Mapping[str, int], protocol: str) -> None:
        """Say how many columns of each term are constant, unless it has been said.

        Args:
            data: What is trained on; its scalings are measured here, and used again by heads.
            widths: Columns of each term, in order.
            protocol: Name of the splits.
        """
        if all((name, protocol) in self._said for name in widths):
            return
        constant = np.stack([data.scaling(split.train).is_constant for split in data.splits])
        first = 0
        for name, width in widths.items():
            counts = constant[:, first : first + width].sum(axis=1)
            first += width
            if counts.any() and (name, protocol) not in self._said:
                say(_message(name, width, counts.tolist(), protocol))
            self._said.add((name, protocol))


def _message(name: str, width: int, counts: Sequence[int], protocol: str) -> str:
    """Name what is left out, and where."""
    concerned = [count for count in counts if count]
    where = "the training part"
    if len(counts) > 1:
        where += f" of {len(concerned)} of {len(counts)} folds"
    least, most = min(concerned), max(concerned)
    if least == width:
        return (
            f"WARNING: {name} is constant in {where} of protocol {protocol}: all {width} columns "
            "are left out, it says nothing there"
        )
    count = str(most) if least == most else f"{least} to {most}"
    return (
        f"{count} of {width} columns of {name} are constant in {where} of protocol {protocol}: "
        "they are left out"
    )
