"""Features in memory, of the machine or of the device, instead of read batch by batch."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from tokser.errors import InputError
from tokser.pretrain.batches import FeatureSource, Pairs

__all__ = ["preloaded"]

_AT_ONCE = 256
"""Utterances copied at a time."""
_SHARE = 0.8
"""Of the memory that is free, how much a store may take."""


@dataclass(frozen=True)
class _Rows:
    """Rows of utterances, as `FeatureSource.ragged` returns them."""

    rows: Tensor
    lengths: NDArray[np.int64]


class Preloaded:
    """A feature whose rows lie in one tensor.

    Args:
        source: Where they are copied from.
        ids: Which utterances are copied.
        device: Where to.
    """

    def __init__(self, source: FeatureSource, ids: Sequence[str], device: torch.device) -> None:
        self.name, self.dim, self.ids = source.name, source.dim, list(ids)
        self.lengths: pd.Series[int] = source.lengths.loc[self.ids]
        counts = self.lengths.to_numpy()
        ends = np.cumsum(counts)
        self._spans = dict(zip(self.ids, zip(ends - counts, counts, strict=True), strict=True))
        dtype = torch.from_numpy(source.ragged(self.ids[:1]).rows).dtype
        self._flat = torch.empty(int(counts.sum()), self.dim, dtype=dtype, device=device)
        for first in range(0, len(self.ids), _AT_ONCE):
            part = source.ragged(self.ids[first : first + _AT_ONCE])
            start = int(ends[first] - counts[first])
            self._flat[start : start + len(part.rows)] = torch.from_numpy(part.rows)

    def ragged(self, utterances: Sequence[str], allocate: Any = None) -> _Rows:
        """Rows of utterances, one after the other, allocated where they are held."""
        spans = [self._spans[name] for name in utterances]
        rows = torch.cat([self._flat[start : start + count] for start, count in spans])
        return _Rows(rows, np.array([count for _, count in spans], dtype=np.int64))


def preloaded(pairs: Pairs, ids: Sequence[str], device: torch.device) -> Pairs:
    """Copy the rows of utterances into memory.

    Args:
        pairs: Where they are read from.
        ids: Which utterances.
        device: Whose memory: the CPU's, or that of a GPU.

    Raises:
        InputError: They do not fit.
    """
    below = () if pairs.below is None else (pairs.below,)
    sources = (*pairs.speech, pairs.queries, pairs.teacher, *below)
    needed = sum(_num_bytes(source, ids) for source in sources)
    free = _free_bytes(device)
    if needed > _SHARE * free:
        where = "ram" if device.type == "cpu" else "device"
        raise InputError(
            f"--preload {where}",
            expected=f"features that fit into {_SHARE:.0%} of {free / 1e9:.1f} GB free",
            got=f"{needed / 1e9:.1f} GB",
            remedy="Leave --preload out: the store is read at memory speed from a local disk.",
        )
    loaded = [Preloaded(source, ids, device) for source in sources]
    last = loaded.pop() if below else None
    *speech, queries, teacher = loaded
    return Pairs(tuple(speech), queries, teacher, pairs.special_tokens, last)


def _num_bytes(source: FeatureSource, ids: Sequence[str]) -> int:
    width: int = source.ragged(ids[:1]).rows.dtype.itemsize * source.dim
    return int(source.lengths.loc[list(ids)].sum()) * width


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free
    facts = Path("/proc/meminfo")
    if facts.is_file():
        lines = dict(line.split(":", 1) for line in facts.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
