"""Frames of one term of an expression, read batch by batch from the store."""

import functools
import mmap
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, Float64, Shaped
from numpy.typing import NDArray
from torch import Tensor

from tokser.functionals.moments import MOMENTS
from tokser.pretrain.batches import FeatureSource
from tokser.pretrain.buffers import Buffers
from tokser.store.gather import Allocate

__all__ = ["FrameBatch", "FrameScaling", "RowSource", "TermFrames"]


@runtime_checkable
class RowSource(FeatureSource, Protocol):
    """What is needed of a layer; `tokser.store.Layer` has it."""

    def __getitem__(self, utterance: str) -> NDArray[Any]:
        """Return the rows of an utterance, [rows, dim]."""

    def functionals(self) -> pd.DataFrame:
        """Return mean then standard deviation over rows, [utterances, 2 * dim]."""


class FrameBatch(NamedTuple):
    """Frames of several utterances, one after the other: nothing is padded.

    Attributes:
        rows: Of each layer of the term.
        lengths: Frames of each utterance.
        rounded: Rows of a term of one layer as products take them, where somebody has them.
    """

    rows: Float32[Tensor, "layers rows dim"]
    lengths: tuple[int, ...]
    rounded: Shaped[Tensor, "rows dim"] | None = None

    @classmethod
    def of(cls, layers: Sequence[Sequence[NDArray[Any]]]) -> "FrameBatch":
        """Put frames of utterances, [frames, dim] each, one after the other, for each layer."""
        rows = np.stack([np.concatenate(list(own), dtype=np.float32) for own in layers])
        return cls(torch.from_numpy(rows), tuple(len(own) for own in layers[0]))


@dataclass(frozen=True)
class FrameScaling:
    """Mean and standard deviation of the frames of a training part, layer by layer.

    Attributes:
        mean: [layers, dim].
        scale: [layers, dim]; infinite where the training part is constant.
    """

    mean: Float64[np.ndarray, "layers dim"]
    scale: Float64[np.ndarray, "layers dim"]

    @property
    def num_constant(self) -> int:
        """Count the columns that are left out: 0 for everybody."""
        return int(np.isinf(self.scale).sum())

    @functools.cached_property
    def tensors(self) -> tuple[Tensor, Tensor]:
        """Mean and 1 / scale in float32, each [layers, 1, dim]."""
        mean, inverse = (torch.from_numpy(a).float()[:, None] for a in (self.mean, 1 / self.scale))
        return mean, inverse

    def apply(self, batch: FrameBatch) -> FrameBatch:
        """Scale a batch in place."""
        mean, inverse = (own.to(batch.rows.device) for own in self.tensors)
        batch.rows.sub_(mean).mul_(inverse)
        return batch


@dataclass(frozen=True)
class TermFrames:
    """Frames of a layer, or of the layers that a head mixes.

    Rows in a map of the store are read from there each time, which costs no more than a copy.
    Others are kept as they are stored, while they fit in a budget.

    Attributes:
        layers: Of one width, with the same frames; where means are read, functionals are enough.
        roundoff: How far rounding may have moved a number, relative to it.
        speakers: Speaker of each utterance, where frames are scaled by speaker first.
        budget_bytes: What may be kept of layers that cannot be mapped.
        device: Where batches are wanted.
        are_means: Whether an utterance's frames are only one: their mean, as it was pooled.
    """

    layers: tuple[Any, ...]
    roundoff: float = 0.0
    speakers: "pd.Series[str] | None" = None
    budget_bytes: int = 2**30
    device: str = "cpu"
    are_means: bool = False
    _kept: "_Kept" = field(default_factory=lambda: _Kept(), compare=False, repr=False)

    @property
    def dim(self) -> int:
        """Numbers in a frame."""
        return int(self.layers[0].dim)

    def num_frames(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the frames of each utterance."""
        if self.are_means:
            return np.ones(len(ids), dtype=np.int64)
        return np.array([self._lengths[name] for name in ids], dtype=np.int64)

    @functools.cached_property
    def _lengths(self) -> dict[str, int]:
        lengths: dict[str, int] = self.layers[0].lengths.to_dict()
        return lengths

    def scaling(self, ids: Sequence[str]) -> FrameScaling:
        """Return mean and standard deviation of all frames of some utterances, from pooled ones.

        With n_u frames, mean m_u and deviation s_u of utterance u, and N = sum n_u:
        m = sum n_u m_u / N and s^2 = sum n_u (s_u^2 + (m_u - m)^2) / N. Where means are read, all
        utterances count the same.

        Args:
            ids: The training part.
        """
        counts = self.num_frames(ids).astype(np.float64)[:, None]
        means, scales = [], []
        for mean, std in self._moments(ids):
            centre = (counts * mean).sum(axis=0) / counts.sum()
            spread = std**2 + (mean - centre) ** 2
            scale = np.sqrt((counts * spread).sum(axis=0) / counts.sum())
            explained = (self.roundoff + 2.0**-24) * np.hypot(centre, scale)
            means.append(centre)
            scales.append(np.where(scale <= explained, np.inf, scale))
        return FrameScaling(np.stack(means), np.stack(scales))

    def read(self, ids: Sequence[str]) -> FrameBatch:
        """Return the frames of utterances in float32, on the device."""
        ids = list(ids)
        if self.are_means:
            return self._read_means(ids)
        lengths = self.num_frames(ids)
        shape = (len(self.layers), int(lengths.sum()), self.dim)
        device = torch.device(self.device)
        rows: Tensor
        if device.type == "cpu":
            rows = self.memory(shape, np.dtype(np.float32))
        else:
            rows = torch.empty(shape, device=device)
        for number, own in enumerate(rows):
            own.copy_(self._rows(number, ids))
        batch = FrameBatch(rows, tuple(lengths.tolist()))
        return batch if self.speakers is None else self._scaled_by_speaker(batch, ids)

    def _read_means(self, ids: list[str]) -> FrameBatch:
        means = torch.from_numpy(self._kept.moments(self).means_of(ids)).to(self.device)
        batch = FrameBatch(means, (1,) * len(ids))
        return batch if self.speakers is None else self._scaled_by_speaker(batch, ids)

    def memory(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
        """Return a tensor of any content, in memory that is reused when it is gone."""
        return torch.from_numpy(self._kept.buffers.take(shape, dtype))

    def _rows(self, layer: int, ids: Sequence[str]) -> Tensor:
        source = self._kept.source(layer, self)
        rows = source.ragged(ids, self._kept.buffers.take).rows
        return torch.as_tensor(rows)

    def stored_pieces(self, layer: int, ids: Sequence[str]) -> Iterator[NDArray[Any]]:
        """Yield frames as they are stored, [frames, dim] of each utterance, uncopied if mapped."""
        source = self._kept.source(layer, self)
        if hasattr(source, "each"):
            yield from source.each(ids)
        else:
            yield source.ragged(ids, self._kept.buffers.take).rows

    def _moments(self, ids: Sequence[str]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Yield mean and standard deviation of each utterance, float64 [ids, dim], by layer."""
        for number, own in enumerate(self._kept.moments(self).of(ids)):
            mean, std = own.astype(np.float64)
            if self.speakers is not None:
                scalings = self._by_speaker
                centre = np.stack([scalings[s].mean[number] for s in self.speakers.loc[list(ids)]])
                scale = np.stack([scalings[s].scale[number] for s in self.speakers.loc[list(ids)]])
                mean, std = (mean - centre) / scale, std / scale
            yield mean, std

    @functools.cached_property
    def _by_speaker(self) -> dict[str, FrameScaling]:
        speakers: Any = self.speakers
        plain = replace(self, speakers=None)
        groups = speakers.groupby(speakers).groups
        return {str(name): plain.scaling(list(ids)) for name, ids in groups.items()}

    def _scaled_by_speaker(self, batch: FrameBatch, ids: Sequence[str]) -> FrameBatch:
        speakers: Any = self.speakers
        parts = batch.rows.split(list(batch.lengths), dim=1)
        for name, rows in zip(speakers.loc[list(ids)], parts, strict=True):
            self._by_speaker[str(name)].apply(FrameBatch(rows, (rows.shape[1],)))
        return batch


class _Kept:
    """What is kept between batches: memory, rows that cannot be mapped, moments."""

    def __init__(self) -> None:
        self.buffers = Buffers()
        self._lock = threading.Lock()
        self._sources: dict[int, Any] = {}
        self._moments: _Moments | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _Kept, ()

    def source(self, number: int, frames: TermFrames) -> Any:
        """Return what rows of a layer are read from."""
        with self._lock:
            if number not in self._sources:
                self._sources[number] = _source_of(frames.layers[number], frames)
            return self._sources[number]

    def moments(self, frames: TermFrames) -> "_Moments":
        """Return mean and standard deviation of each utterance by layer; read once."""
        with self._lock:
            if self._moments is None:
                tables = [layer.functionals() for layer in frames.layers]
                ids = tables[0].index
                for table in tables[1:]:
                    ids = ids.intersection(table.index, sort=False)
                values = np.stack([t.loc[ids].to_numpy(dtype=np.float32) for t in tables])
                parts = values.reshape(*values.shape[:2], len(MOMENTS), -1).swapaxes(1, 2)
                places = {str(name): place for place, name in enumerate(ids)}
                self._moments = _Moments(places, np.ascontiguousarray(parts))
            return self._moments


class _Moments(NamedTuple):
    """Mean and standard deviation over the frames of each utterance.

    Attributes:
        places: Of each utterance, by id.
        values: Mean, then standard deviation.
    """

    places: dict[str, int]
    values: Float32[np.ndarray, "layers moments utterances dim"]

    def of(self, ids: Sequence[str]) -> Float32[np.ndarray, "layers moments ids dim"]:
        """Return those of some utterances."""
        return self.values.take([self.places[name] for name in ids], axis=2)

    def means_of(self, ids: Sequence[str]) -> Float32[np.ndarray, "layers ids dim"]:
        """Return the means of some utterances."""
        return self.values[:, 0].take([self.places[name] for name in ids], axis=1)


def _source_of(layer: RowSource, frames: TermFrames) -> Any:
    """Return the layer itself where it is mapped, or what keeps its rows in memory."""
    device = torch.device(frames.device)
    ids = list(layer.lengths.index)
    budget = frames.budget_bytes // len(frames.layers)
    first = layer[ids[0]]
    if device.type != "cpu" and int(layer.lengths.sum()) * first[:1].nbytes <= budget:
        from tokser.pretrain.preload import Preloaded

        return Preloaded(layer, ids, device)
    return layer if _is_mapped(first) else _HeldRows(layer, budget)


def _is_mapped(rows: NDArray[Any]) -> bool:
    owner: Any = rows
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return isinstance(owner.obj if isinstance(owner, memoryview) else owner, mmap.mmap)


class _HeldRows:
    """Rows of a layer that are kept once they were read, as they are stored, while they fit."""

    def __init__(self, layer: RowSource, budget_bytes: int) -> None:
        self._layer, self._left = layer, budget_bytes
        self._held: dict[str, NDArray[Any]] = {}
        self._lock = threading.Lock()

    def ragged(self, utterances: Sequence[str], allocate: Allocate = np.empty) -> "_Rows":
        """Return rows of utterances, one after the other."""
        parts = {name: self._held[name] for name in utterances if name in self._held}
        missing = [name for name in dict.fromkeys(utterances) if name not in parts]
        if missing:
            read = self._layer.ragged(missing)
            pieces = np.split(read.rows, np.cumsum(read.lengths)[:-1])
            parts |= dict(zip(missing, pieces, strict=True))
            self._hold({name: parts[name] for name in missing})
        return _Rows(np.concatenate([parts[name] for name in utterances]))

    def _hold(self, parts: dict[str, NDArray[Any]]) -> None:
        with self._lock:
            for name, rows in parts.items():
                if rows.nbytes <= self._left and name not in self._held:
                    self._left -= rows.nbytes
                    self._held[name] = rows.copy()


class _Rows(NamedTuple):
    """Rows of utterances, one after the other."""

    rows: NDArray[Any]
