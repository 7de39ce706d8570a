"""Blocks and a head on top as one function of stored frames."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tokser.errors import InputError
from tokser.experiments.frames import FrameBatch, FrameScaling, TermFrames
from tokser.experiments.heads.frames.model import FrameModel, PooledScaling
from tokser.experiments.heads.frames.pooling import Dropout

__all__ = ["Moments", "TunedModel", "frames_above", "moments_above", "read_finite"]


@dataclass(frozen=True)
class TunedModel:
    """y = head(scaled layers above k), with layer k itself where the head mixes layers.

    Attributes:
        blocks: The blocks, on their device.
        layers: Numbers of the layers that the head reads.
        head: What pools them.
        scaling: Of frames: what the training part was scaled to with untouched blocks.
        pooled: Of pooled vectors; none where the head does not scale them.
        in_bf16: Whether products are computed in bfloat16.
    """

    blocks: Any
    layers: tuple[int, ...]
    head: FrameModel
    scaling: FrameScaling
    pooled: PooledScaling | None = None
    in_bf16: bool = False

    def outputs(
        self, parameters: Mapping[str, Tensor], batch: FrameBatch, dropout: Dropout
    ) -> Float[Tensor, "utterances outputs"]:
        """Return logits, or numbers on the scale of the training part.

        Args:
            parameters: Of the head, each [1, ...].
            batch: Frames of layer k.
            dropout: Of the head.
        """
        frames = self.frames(batch)
        return self.head.forward(parameters, [frames], self.pooled, dropout)[0]

    def pool(self, parameters: Mapping[str, Tensor], batch: FrameBatch) -> Tensor:
        """Return pooled vectors before they are scaled, [1, utterances, width]."""
        return self.head.pool(parameters, [self.frames(batch)], lambda values: values)

    def frames(self, batch: FrameBatch) -> FrameBatch:
        """Return the scaled frames of the layers that the head reads."""
        device = batch.rows.device
        with torch.autocast(device.type, torch.bfloat16) if self.in_bf16 else nullcontext():
            rows = frames_above(self.blocks, batch, self.layers)
        mean = torch.from_numpy(self.scaling.mean).float()[:, None].to(device)
        inverse = torch.from_numpy(1 / self.scaling.scale).float()[:, None].to(device)
        return FrameBatch((rows - mean) * inverse, batch.lengths)


def frames_above(
    blocks: Any, batch: FrameBatch, layers: Sequence[int]
) -> Float[Tensor, "layers rows dim"]:
    """Return layers of an encoder from its layer k.

    Args:
        blocks: Its upper blocks.
        batch: Frames of layer k.
        layers: Numbers of the layers; k itself may be among them.
    """
    found = {int(blocks.first): batch.rows[0]} | blocks.ragged(batch.rows[0], batch.lengths)
    return torch.stack([found[layer].float() for layer in layers])


def read_finite(frames: TermFrames, ids: Sequence[str]) -> FrameBatch:
    """Read frames of layer k; raise `InputError` that names an utterance with NaN or infinity."""
    batch = frames.read(ids)
    if not bool(batch.rows.isfinite().all()):
        parts = batch.rows[0].split(list(batch.lengths))
        broken = next(n for n, own in zip(ids, parts, strict=True) if not own.isfinite().all())
        raise InputError(
            f"{frames.layers[0].name}, {broken}",
            expected="finite activations",
            got="NaN or infinity",
            remedy="Run `tokser store verify`, then extract this utterance again.",
        )
    return batch


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of layers over the frames of each utterance.

    Attributes:
        places: Position of each utterance, by id.
        counts: Frames, [utterances].
        mean: [layers, utterances, dim].
        variance: [layers, utterances, dim].
    """

    places: Mapping[str, int]
    counts: Float[np.ndarray, " utterances"]
    mean: Float[np.ndarray, "layers utterances dim"]
    variance: Float[np.ndarray, "layers utterances dim"]

    def scaling(self, ids: Sequence[str]) -> FrameScaling:
        """Return mean and deviation of all frames of some utterances.

        With n_u frames, mean m_u and variance v_u of utterance u, and N = sum n_u:
        m = sum n_u m_u / N and s^2 = sum n_u (v_u + (m_u - m)^2) / N.
        """
        own = [self.places[name] for name in ids]
        counts, mean = self.counts[own][:, None], self.mean[:, own].astype(np.float64)
        centre = (counts * mean).sum(axis=1) / counts.sum()
        spread = self.variance[:, own] + (mean - centre[:, None]) ** 2
        scale = np.sqrt((counts * spread).sum(axis=1) / counts.sum())
        return FrameScaling(centre, np.where(scale <= 1e-5 * np.abs(centre), np.inf, scale))


def moments_above(
    blocks: Any,
    frames: TermFrames,
    ids: Sequence[str],
    batches: Sequence[Sequence[int]],
    layers: Sequence[int],
) -> Moments:
    """Compute the moments of layers with the blocks as they are.

    Args:
        blocks: Untouched, on the device of the frames.
        frames: Of layer k.
        ids: All utterances.
        batches: Their positions, together all of them.
        layers: Numbers of the layers.
    """
    counts = frames.num_frames(ids).astype(np.float64)
    mean = np.empty((len(layers), len(ids), frames.dim), dtype=np.float32)
    variance = np.empty_like(mean)
    with torch.inference_mode():
        for places in batches:
            batch = read_finite(frames, [ids[place] for place in places])
            rows = frames_above(blocks, batch, layers)
            for place, own in zip(places, rows.split(list(batch.lengths), dim=1), strict=True):
                mean[:, place] = own.mean(dim=1).cpu()
                variance[:, place] = own.var(dim=1, correction=0).cpu()
    return Moments({name: place for place, name in enumerate(ids)}, counts, mean, variance)
