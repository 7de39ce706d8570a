"""Modules whose output padding would change, run on each utterance without it."""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

__all__ = ["PerUtterance"]


class PerUtterance(torch.nn.Module):
    """Runs a module on the valid samples of each row, and pads its outputs.

    Group norm over time, and norms and biases between convolutions, let padding change valid
    frames. Run through this class, they see no padding. One row of such a module is enough work
    to keep all cores busy, so this costs no time.

    Args:
        inner: Module that takes [rows, time, ...].
        time: Axis of time in its output.
    """

    def __init__(self, inner: torch.nn.Module, time: int) -> None:
        super().__init__()
        self.inner, self._time = inner, time
        self.lengths: Sequence[int] = ()
        """Valid length of each row of the next input."""

    def forward(self, padded: torch.Tensor) -> torch.Tensor:
        """Return the inner module's output in fp32, zeros after the end of each row."""
        if min(self.lengths) == padded.shape[1]:
            whole: torch.Tensor = self.inner(padded)
            return whole.float()
        rows = [
            self.inner(row[None, :length])[0].movedim(self._time - 1, 0).float()
            for row, length in zip(padded, self.lengths, strict=True)
        ]
        return pad_sequence(rows, batch_first=True).movedim(1, self._time)
