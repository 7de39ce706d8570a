"""Products of each utterance's own frames, for all utterances of a batch in one call.

Dozens of small products cost Python more than the processor: threads wait for each other's lock.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["frames_times_vectors", "weights_times_frames"]

_GROUPED = getattr(functional, "grouped_mm", None)
"""Multiplies parts of matrices, since torch 2.10; on a CPU it takes float32, too."""
_ALIGNED = 4
"""Numbers to whose multiples it wants rows to be apart."""


def weights_times_frames(
    weights: Float[Tensor, "num rows"], frames: Float[Tensor, "rows dim"], lengths: Sequence[int]
) -> Float[Tensor, "batch num dim"]:
    """Return the product of weights and frames of each utterance.

    Args:
        weights: Of all frames.
        frames: One utterance after the other.
        lengths: Frames of each utterance.
    """
    if _GROUPED is not None and _suits(frames):
        together: Tensor = _GROUPED(_aligned(weights), frames, offs=_ends(lengths))
        return together
    found = frames.new_empty(len(lengths), len(weights), frames.shape[1])
    parts = zip(
        found, weights.split(list(lengths), dim=1), frames.split(list(lengths)), strict=True
    )
    for out, own, rows in parts:
        torch.mm(own, rows, out=out)
    return found


def frames_times_vectors(
    vectors: Float[Tensor, "batch num dim"],
    frames: Float[Tensor, "rows dim"],
    lengths: Sequence[int],
) -> Float[Tensor, "num rows"]:
    """Return the scalar products of each utterance's frames and its vectors.

    Args:
        vectors: Of each utterance.
        frames: One utterance after the other.
        lengths: Frames of each utterance.
    """
    if _GROUPED is not None and _suits(frames):
        together: Tensor = _GROUPED(vectors, frames.T, offs=_ends(lengths))
        return together.contiguous()  # its rows are apart as it wants them: oneDNN is slow on such
    found = frames.new_empty(vectors.shape[1], len(frames))
    parts = zip(
        vectors, frames.split(list(lengths)), found.split(list(lengths), dim=1), strict=True
    )
    for own, rows, out in parts:
        torch.mm(own, rows.T, out=out)
    return found


def _suits(frames: Tensor) -> bool:
    is_here = frames.device.type == "cpu" and frames.dtype == torch.float32
    return is_here and frames.is_contiguous() and frames.shape[1] % _ALIGNED == 0


def _aligned(weights: Tensor) -> Tensor:
    """Return weights whose rows are as far apart as is wanted."""
    num, rows = weights.shape
    if rows % _ALIGNED == 0 and weights.is_contiguous():
        return weights
    apart = weights.new_empty(num, rows + -rows % _ALIGNED)[:, :rows]
    return apart.copy_(weights)


def _ends(lengths: Sequence[int]) -> Tensor:
    return torch.tensor(list(lengths), dtype=torch.int32).cumsum(0, dtype=torch.int32)
