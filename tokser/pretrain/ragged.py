"""Ragged and padded batches: utterances one after the other, and side by side."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

__all__ = ["as_padded", "as_ragged", "row_mask"]

Rows = Float[Tensor, "rows dim"]
Padded = Float[Tensor, "batch longest dim"]
Lengths = Int64[Tensor, " batch"]


def row_mask(lengths: Lengths, device: torch.device) -> Bool[Tensor, "batch longest"]:
    """Return True where a padded batch holds a row.

    Args:
        lengths: Rows of each utterance; they lie on the CPU, so that nothing waits for a GPU.
        device: Where the mask is wanted.
    """
    places = torch.arange(int(lengths.max()), device=device)
    return places < lengths.to(device)[:, None]


def as_padded(rows: Rows, lengths: Lengths) -> Padded:
    """Put utterances side by side, zeros after the last row of each."""
    mask = row_mask(lengths, rows.device)
    padded = rows.new_zeros(*mask.shape, rows.shape[1])
    padded[mask] = rows
    return padded


def as_ragged(padded: Padded, lengths: Lengths) -> Rows:
    """Put utterances one after the other, without their padding."""
    return padded[row_mask(lengths, padded.device)]
