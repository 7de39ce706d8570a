"""Modules whose output padding would change, run on each utterance without it."""

import threading
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
        self._lengths: dict[int, Sequence[int]] = {}
        """By thread: several run batches of their own through one model."""

    @property
    def lengths(self) -> Sequence[int]:
        """Valid length of each row of the calling thread's next input."""
        return self._lengths.get(threading.get_ident(), ())

    @lengths.setter
    def lengths(self, lengths: Sequence[int]) -> None:
        self._lengths[threading.get_ident()] = lengths

    def forward(self, padded: torch.Tensor) -> torch.Tensor:
        """Return the inner module's output in fp32, zeros after the end of each row."""
        lengths = self.lengths
        if min(lengths) == padded.shape[1]:
            whole: torch.Tensor = self.inner(padded)
            return whole.float()
        rows = [
            self.inner(row[None, :length])[0].movedim(self._time - 1, 0).float()
            for row, length in zip(padded, lengths, strict=True)
        ]
        return pad_sequence(rows, batch_first=True).movedim(1, self._time)
