"""Fetching activations from the device that computed them into numpy arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tokser.encoders.base import StoredDtype, StoredRows

__all__ = ["DeviceOutput"]

Cuts = Sequence[Sequence[tuple[int, int]]]


class DeviceOutput:
    """The valid rows of one batch, on their way into numpy arrays.

    On a GPU they are trimmed and cast there, then copied into pinned memory while the next batch
    is computed; `fetch` waits for that copy. On other devices `fetch` itself trims and casts.

    Args:
        states: Output of each layer, [batch rows, frames, dim], by its number.
        cuts: Where the rows of each utterance are: (row of the batch, number of frames). An
            utterance in several windows has several such pairs, which are concatenated.
        dtype: The stored dtype.
    """

    def __init__(
        self, states: Mapping[int, torch.Tensor], cuts: Cuts, dtype: StoredDtype = "float32"
    ) -> None:
        self._states, self._cuts, self._dtype = dict(states), cuts, dtype
        self._copied: dict[int, torch.Tensor] = {}
        if next(iter(states.values())).device.type == "cuda":
            self._start_copies()

    @property
    def num_bytes(self) -> int:
        """Memory that it holds until it is fetched."""
        return sum(states.nbytes for states in (self._copied or self._states).values())

    def fetch(self) -> list[StoredRows]:
        """Return [rows, dim] by layer for each utterance, arrays of their own."""
        if self._copied:
            self._event.synchronize()
            return self._split({layer: rows.numpy() for layer, rows in self._copied.items()})
        states = {layer: found.float().cpu().numpy() for layer, found in self._states.items()}
        with np.errstate(over="ignore"):  # the shard builder checks for infinity
            return [
                {layer: self._joined(found, cuts) for layer, found in states.items()}
                for cuts in self._cuts
            ]

    def before_cast(self, utterance: int, layer: int) -> NDArray[np.float32]:
        """Return the rows of one utterance in fp32, before the cast to the stored dtype."""
        states = self._states[layer].float()
        parts = [states[row, :count] for row, count in self._cuts[utterance]]
        return torch.cat(parts).cpu().numpy()

    def _joined(self, found: NDArray[np.float32], cuts: Sequence[tuple[int, int]]) -> NDArray[Any]:
        if len(cuts) == 1:
            row, count = cuts[0]
            return found[row, :count].astype(self._dtype)
        return np.concatenate([found[row, :count] for row, count in cuts]).astype(self._dtype)

    def _start_copies(self) -> None:
        """Trim and cast on the GPU, and copy behind it, without waiting."""
        any_states = next(iter(self._states.values()))
        num_frames, device = any_states.shape[1], any_states.device
        spans = [
            torch.arange(row * num_frames, row * num_frames + count)
            for cuts in self._cuts
            for row, count in cuts
        ]
        valid = torch.cat(spans).pin_memory().to(device, non_blocking=True)
        for layer, states in self._states.items():
            flat = states.flatten(0, 1)[valid].to(getattr(torch, self._dtype))
            target = torch.empty(flat.shape, dtype=flat.dtype, pin_memory=True)
            self._copied[layer] = target.copy_(flat, non_blocking=True)
        self._event = torch.cuda.Event()
        self._event.record(torch.cuda.current_stream(device))

    def _split(self, flat: Mapping[int, NDArray[Any]]) -> list[StoredRows]:
        """Cut flat rows into utterances; copies, since pinned memory is scarce."""
        counts = [sum(count for _, count in cuts) for cuts in self._cuts]
        ends = np.cumsum(counts).tolist()
        return [
            {layer: rows[end - count : end].copy() for layer, rows in flat.items()}
            for count, end in zip(counts, ends, strict=True)
        ]
