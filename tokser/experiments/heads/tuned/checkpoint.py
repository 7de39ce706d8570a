"""Tuned blocks and their head on disk: weights, and what they were trained on."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from tokser.checksummed_folder import ChecksummedFolder
from tokser.errors import CheckpointError, DamagedFileError, MissingInputError
from tokser.experiments.frames import FrameScaling
from tokser.experiments.heads.frames.model import PooledScaling
from tokser.experiments.heads.frames.training import FrameWeights
from tokser.experiments.heads.tuned.training import TunedWeights

__all__ = ["WEIGHTS", "TunedDescription", "is_saved", "load_tuned", "save_tuned"]

WEIGHTS = "tuned.safetensors"
_DESCRIPTION = "tuned.json"
_REMEDY = "Run the same `tokser tune` again, which trains what is damaged or missing."


@dataclass(frozen=True)
class TunedDescription:
    """What the blocks of a fold are, and what they were trained on.

    Attributes:
        source: Feature that they start from.
        layers: Layers that the head reads.
        head: Name of the head.
        options: Of the head.
        classes: In the order of the outputs; none for numbers.
        dataset: Corpus.
        fold: Name of the fold.
        tuned_on: Ids of the utterances whose labels were used: train, and dev where it was refitted
            or selected by.
        encoder: Provenance of the stored feature; the digest of the weights is part of it.
        target_scale: Mean and standard deviation of numbers; none for classes.
        params: The selected point, as the ledger names it.
        trials: Rows of all points.
        adapters: Rank of the adapters that were added into the weights; None: there were none.
    """

    source: str
    layers: tuple[int, ...]
    head: str
    options: dict[str, Any]
    classes: tuple[str, ...]
    dataset: str
    fold: str
    tuned_on: tuple[str, ...]
    encoder: dict[str, Any]
    target_scale: tuple[float, float] | None
    params: dict[str, Any]
    trials: list[dict[str, Any]] = field(default_factory=list)
    adapters: int | None = None


def is_saved(folder: Path, made_of: str) -> bool:
    """Tell whether a folder holds, whole, what was trained on this."""
    checksummed = ChecksummedFolder(folder)
    return checksummed.made_of == made_of and checksummed.is_whole(WEIGHTS, _DESCRIPTION)


def save_tuned(
    folder: Path, made_of: str, weights: TunedWeights, description: TunedDescription
) -> None:
    """Write a fold's weights and description; what was there of another training is replaced."""
    tensors: dict[str, Tensor] = {f"blocks/{name}": own for name, own in weights.blocks.items()}
    tensors |= {f"head/{name}": own for name, own in weights.head.parameters.items()}
    tensors["frames/mean"] = torch.from_numpy(weights.scaling.mean)
    tensors["frames/scale"] = torch.from_numpy(weights.scaling.scale)
    pooled = weights.head.scaling
    if pooled is not None:
        tensors |= {"pooled/centre": pooled.centre, "pooled/inverse": pooled.inverse}
    text = json.dumps(asdict(description), indent=1, ensure_ascii=False)
    checksummed = ChecksummedFolder(folder)
    if checksummed.made_of != made_of:
        checksummed.begin(made_of)
    whole = {name: own.contiguous() for name, own in tensors.items()}
    checksummed.put({WEIGHTS: save(whole), _DESCRIPTION: text.encode()})


def load_tuned(folder: Path) -> tuple[TunedWeights, TunedDescription]:
    """Read what `save_tuned` wrote.

    Raises:
        MissingInputError: The folder holds no tuned blocks.
        DamagedFileError: A file is not as it was written.
        CheckpointError: A file cannot be understood.
    """
    checksummed = ChecksummedFolder(folder)
    for name in (WEIGHTS, _DESCRIPTION):
        if not (folder / name).is_file():
            raise MissingInputError(
                folder / name,
                expected="the folder of a fold that `tokser tune` wrote (OUT/folds/NAME)",
                got="no such file",
                remedy=_folders_below(folder) or "Name such a folder.",
            )
        if not checksummed.has_checksums:
            raise DamagedFileError(
                folder, expected="checksums", got="no SHA256SUMS", remedy=_REMEDY
            )
        checksummed.require_whole(name, _REMEDY)
    try:
        tensors = load((folder / WEIGHTS).read_bytes())
        description = _description((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        return _weights(tensors), description
    except (ValueError, TypeError, KeyError, SafetensorError) as error:
        raise CheckpointError(
            folder, expected="blocks that `tokser tune` wrote", got=str(error), remedy=_REMEDY
        ) from error


def _folders_below(folder: Path) -> str:
    """Say which folders could have been meant, if there are any."""
    below = sorted(path.parent for path in folder.glob(f"**/{WEIGHTS}"))
    return f"Name one of its folders, for instance {below[0]}." if below else ""


def _description(text: str) -> TunedDescription:
    content = json.loads(text)
    for name in ("layers", "classes", "tuned_on"):
        content[name] = tuple(content[name])
    if content["target_scale"] is not None:
        content["target_scale"] = tuple(content["target_scale"])
    return TunedDescription(**content)


def _weights(tensors: dict[str, Tensor]) -> TunedWeights:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, values in tensors.items():
        part, _, own = name.partition("/")
        parts.setdefault(part, {})[own] = values
    pooled = parts.get("pooled")
    scaling = None if pooled is None else PooledScaling(pooled["centre"], pooled["inverse"])
    frames = parts["frames"]
    return TunedWeights(
        parts.get("blocks", {}),
        FrameWeights(parts["head"], scaling),
        FrameScaling(frames["mean"].numpy(), frames["scale"].numpy()),
    )
