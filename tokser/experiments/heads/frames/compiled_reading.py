"""Frames as they are stored, standardised and rounded in one pass by what `compiled` compiles."""

from collections.abc import Sequence

import numpy as np
import torch

from tokser.experiments.frames import FrameBatch, FrameScaling, TermFrames
from tokser.experiments.heads.frames.compiled_statistics import as_array

__all__ = ["read_compiled"]


def read_compiled(
    term: TermFrames, scaling: FrameScaling, ids: Sequence[str], precision: torch.dtype
) -> FrameBatch:
    """Read utterances, and standardise their frames; the same bits as by torch.

    torch passes over all frames five times: copied, to float32, centred, scaled, rounded.

    Args:
        term: Where frames are read.
        scaling: Of its frames.
        ids: The utterances.
        precision: What `rounded` of the batch is wanted in: float32 or bfloat16.
    """
    from tokser.experiments.heads.frames import compiled

    is_plain = len(term.layers) == 1 and not term.are_means and term.speakers is None
    if not is_plain or term.device != "cpu":
        return scaling.apply(term.read(ids))
    lengths = tuple(term.num_frames(ids).tolist())
    shape = (sum(lengths), term.dim)
    rows = term.memory((1, *shape), np.dtype(np.float32))
    rounded = rows[0]
    if precision == torch.bfloat16:
        rounded = term.memory(shape, np.dtype(np.int16)).view(precision)
    out = rows[0].numpy(), as_array(rounded)
    scales = torch.cat([own[0] for own in scaling.tensors]).numpy()
    first = 0
    for stored in term.stored_pieces(0, list(ids)):
        own = slice(first, first + len(stored))
        compiled.standardise(_handed(stored), scales, out[0][own], out[1][own])
        first = own.stop
    return FrameBatch(rows, lengths, rounded)


def _handed(stored: np.ndarray) -> np.ndarray:
    """Return frames as the compiled function takes them: float16 as integers, read only."""
    is_half = stored.dtype == np.float16
    found: np.ndarray = stored.view(np.int16) if is_half else np.asarray(stored, np.float32).view()
    found.flags.writeable = False
    return found
