"""Parts of a model that padding would change, run on each row alone."""

from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

__all__ = ["EachAlone"]


class EachAlone(torch.nn.Module):
    """Runs a part on the valid beginning of each row, and pads what comes out.

    Group norm over time, norms and biases between convolutions: each of them lets padding reach
    valid frames, in a way of its own. Behind this, none of them sees any. These parts are wide
    enough for a row to fill a processor, so nothing is lost.

    Args:
        inner: Part that takes [rows, time, ...].
        time: Axis of time in what it returns.
    """

    def __init__(self, inner: torch.nn.Module, time: int) -> None:
        super().__init__()
        self.inner, self._time = inner, time
        self.lengths: Sequence[int] = ()
        """Valid length of each row of the next input."""

    def forward(self, padded: torch.Tensor) -> torch.Tensor:
        """Return the inner part's output in fp32, rows of zeros behind the end of each."""
        if min(self.lengths) == padded.shape[1]:
            whole: torch.Tensor = self.inner(padded)
            return whole.float()
        rows = [
            self.inner(row[None, :length])[0].movedim(self._time - 1, 0).float()
            for row, length in zip(padded, self.lengths, strict=True)
        ]
        return pad_sequence(rows, batch_first=True).movedim(1, self._time)
