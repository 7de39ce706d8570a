"""A trained aligner on disk: weights, and what they were trained on."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from tokser.checksummed_folder import INDEX, ChecksummedFolder
from tokser.config.base import VARIANT_ALIASES
from tokser.errors import CheckpointError, MissingInputError, SettingsError
from tokser.names import Name
from tokser.pretrain.aligner import Aligner
from tokser.pretrain.tuned_blocks import BlocksAbove, no_blocks
from tokser.pretrain.variants import ALIGNERS, build_aligner
from tokser.progress import warn

__all__ = ["WEIGHTS", "AlignerDescription", "load_aligner", "save_aligner"]

WEIGHTS = "aligner.safetensors"
_DESCRIPTION = "aligner.json"
_TEACHER = "teacher."
"""Weights of a teacher that was trained, too: kept, and no part of what aligns."""


@dataclass(frozen=True)
class AlignerDescription:
    """What an aligner is, and which features it was trained on.

    Attributes:
        name: Name of the run.
        variant: Key of `ALIGNERS`.
        text_dim: Width D_t of queries and teacher.
        speech_dim: Width D_s of the frames.
        special_tokens: Whether [CLS] and [SEP] took part.
        features: Names of `speech` (layers with commas between), `queries` and `teacher`.
        provenance: What made each of these.
        best_epoch: Epoch whose weights these are, from 1 on.
        scores: Scores on dev at that epoch.
        options: Options of the variant's own.
        tune_speech: Blocks above the speech layer that were trained with the aligner.
    """

    name: str
    variant: str
    text_dim: int
    speech_dim: int
    special_tokens: bool
    features: dict[str, str]
    provenance: dict[str, dict[str, Any]]
    best_epoch: int
    scores: dict[str, float]
    options: dict[str, Any] = field(default_factory=dict)
    tune_speech: int = 0

    @property
    def speech(self) -> list[str]:
        """Names of the speech layers."""
        return self.features["speech"].split(",")


def save_aligner(
    folder: Path, weights: dict[str, torch.Tensor], description: AlignerDescription
) -> None:
    """Write an aligner's weights and its description into its run's folder."""
    text = json.dumps(asdict(description), indent=2, ensure_ascii=False)
    ChecksummedFolder(folder).put({WEIGHTS: save(weights), _DESCRIPTION: text.encode()})


def load_aligner(
    folder: Path, blocks_above: BlocksAbove = no_blocks
) -> tuple[Aligner, AlignerDescription]:
    """Read an aligner back, in evaluation mode.

    Args:
        folder: Of the run.
        blocks_above: Loads the blocks above a stored layer, if they were trained with the aligner.

    Raises:
        MissingInputError: The folder is no finished run.
        DamagedFileError: A file is not as it was written.
        CheckpointError: The description is damaged, or a weight is missing, unexpected,
            damaged or of another shape.
    """
    checksummed = ChecksummedFolder(folder)
    for name in (WEIGHTS, _DESCRIPTION):
        if not (folder / name).is_file():
            raise MissingInputError(
                folder / name,
                expected="a finished pretraining run",
                got="no such file",
                remedy="Run the same `tokser pretrain` again to finish it, or name another folder.",
            )
        checksummed.require_whole(name, "Run the same `tokser pretrain` again, which repairs it.")
    if not checksummed.has_checksums:
        warn(f"{folder}: without {INDEX}: not checked")
    description = _read_description(folder / _DESCRIPTION)
    try:
        with torch.random.fork_rng(devices=[]):  # weights are drawn at random, then replaced
            aligner = build_aligner(
                description.variant,
                description.text_dim,
                description.speech_dim,
                len(description.speech),
                description.options,
            )
        if description.tune_speech:
            aligner.speech_blocks = blocks_above(description.features["speech"])
        weights = load_file(folder / WEIGHTS)
        aligner.load_state_dict({n: w for n, w in weights.items() if not n.startswith(_TEACHER)})
    except (RuntimeError, SafetensorError, SettingsError) as error:
        raise CheckpointError(
            folder / WEIGHTS,
            expected=f"the weights of a {description.variant!r} aligner",
            got=str(error),
            remedy="The file is damaged: pretrain again.",
        ) from error
    return aligner.requires_grad_(False).eval(), description


def _read_description(file: Path) -> AlignerDescription:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        content["variant"] = VARIANT_ALIASES.get(content["variant"], content["variant"])
        description = AlignerDescription(**content)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(
            file,
            expected="the description of an aligner",
            got=str(error),
            remedy="The file is damaged: pretrain again.",
        ) from error
    if description.variant not in ALIGNERS:
        raise CheckpointError(
            file,
            expected=f"one of the variants {', '.join(ALIGNERS)}",
            got=repr(description.variant),
            remedy="Use the version of tokser that trained it.",
        )
    Name.of(str(description.name), f"{file}, name")
    return description
