"""The memory of one model in training, as the kernel lays it out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64

from tokser.experiments.heads.mlp.model import Parameters
from tokser.experiments.heads.mlp.tiles import LANES, ROWS

__all__ = [
    "DEV_ROWS",
    "FEW_SAMPLES",
    "Workspace",
    "make_workspace",
    "padded_width",
    "read_parameters",
    "write_parameters",
]

DEV_ROWS = 64
"""Utterances of dev that are evaluated at a time."""
FEW_SAMPLES = 32
"""Up to so many samples of a batch are gathered as they lie; of more, feature by feature."""
WIDE, NARROW, PADDED, WEIGHTS, VECTORS, BEFORE = range(6)
"""Columns of a layout: padded inputs; outputs; padded outputs; where the weights begin; where bias,
gain and shift begin; padded outputs of all layers before."""


class Workspace(NamedTuple):
    """Memory of one training; flat, in parts by layer, then [samples, padded outputs].

    Attributes:
        state: Parameters, their moving means, and those of their squares, [3, parameters].
        layout: One row a layer; its columns are named above, [layers, 6].
        gathered: The batch's inputs.
        normed: Outputs of Linear with mean 0 and deviation 1; of the last layer, the logits.
        outputs: Those of ReLU.
        errors: dL/dz for the outputs z of Linear.
        scales: 1 / deviation, [layers, samples].
        vectors: Gradients of bias, gain and shift, [layers, 3, padded outputs].
        turned: A layer's weights, transposed.
        importance: Weight of each class in the loss, [classes].
    """

    state: np.ndarray
    layout: np.ndarray
    gathered: np.ndarray
    normed: np.ndarray
    outputs: np.ndarray
    errors: np.ndarray
    scales: np.ndarray
    vectors: np.ndarray
    turned: np.ndarray
    importance: np.ndarray


def make_workspace(
    widths: Sequence[int], batch_size: int, importance: Float32[np.ndarray, " classes"]
) -> Workspace:
    """Reserve all memory of a training; what is padding stays 0."""
    layers = []
    wide, place, before = padded_width(widths[0]), 0, 0
    for narrow in widths[1:]:
        padded = padded_width(narrow)
        vectors = place + wide * padded
        layers.append((wide, narrow, padded, place, vectors, before))
        wide, place, before = padded, vectors + 3 * padded, before + padded
    rows = -(-max(batch_size, DEV_ROWS) // ROWS) * ROWS
    features = padded_width(widths[0])
    turned = max((wide * padded for wide, _, padded, *_ in layers[1:]), default=0)
    by_sample, by_feature = (
        FEW_SAMPLES * (features + 2 * LANES),
        features * (rows + 3 * LANES),
    )
    return Workspace(
        state=_zeros(3 * place).reshape(3, place),
        layout=np.array(layers, dtype=np.int64),
        gathered=_zeros(max(by_sample, by_feature)),
        normed=_zeros(rows * before),
        outputs=_zeros(rows * before),
        errors=_zeros(rows * before),
        scales=_zeros(rows * len(layers)),
        vectors=_zeros(3 * before),
        turned=_zeros(turned),
        importance=importance,
    )


def write_parameters(work: Workspace, parameters: Parameters) -> None:
    """Copy the parameters of one model to where the kernel reads them."""
    for own, values in zip(_cut(work.state[0], work.layout, parameters), parameters, strict=True):
        own[...] = values[0].numpy()


def read_parameters(
    row: Float32[np.ndarray, " parameters"],
    layout: Int64[np.ndarray, "layers columns"],
    like: Parameters,
) -> Parameters:
    """Copy parameters out of a row as they lie in memory, in the shapes of `like`."""
    return [torch.from_numpy(own[None].copy()) for own in _cut(row, layout, like)]


def _cut(
    row: Float32[np.ndarray, " parameters"],
    layout: Int64[np.ndarray, "layers columns"],
    like: Parameters,
) -> list[np.ndarray]:
    """Return views of one model's parameters, without what pads them, in the order of `like`."""
    views = []
    for wide, _, padded, weights, vectors, _ in layout.tolist():
        views.append(row[weights : weights + wide * padded].reshape(wide, padded))
        views += list(row[vectors : vectors + 3 * padded].reshape(3, 1, padded))
    shapes = [parameter.shape[1:] for parameter in like]
    return [view[:wide, :narrow] for view, (wide, narrow) in zip(views, shapes, strict=False)]


def padded_width(width: int) -> int:
    """Round a width up to whole vectors."""
    return -(-width // LANES) * LANES


def _zeros(count: int) -> np.ndarray:
    """Return zeros that begin where a line of the cache does."""
    raw = np.zeros(count + LANES, dtype=np.float32)
    first = -(raw.ctypes.data // raw.itemsize) % LANES
    return raw[first : first + count]
