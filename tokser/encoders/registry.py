"""From a hub id or a folder to the encoder that fits it."""

from typing import TYPE_CHECKING, cast

from tokser.encoders.base import SpeechEncoder, TextEncoder
from tokser.encoders.checkpoint import Checkpoint, find_checkpoint
from tokser.errors import CheckpointError, MissingPackageError

if TYPE_CHECKING:
    import torch

__all__ = ["MODEL_TYPES", "load_encoder"]

MODEL_TYPES = ("whisper", "wavlm", "bert")
"""Values of `model_type` in config.json that tokser has an encoder for."""


def load_encoder(
    source: str, *, revision: str | None, device: "torch.device"
) -> SpeechEncoder | TextEncoder:
    """Return the encoder of a model; its weights are read at the first forward pass.

    Args:
        source: Local folder, or hub id such as `openai/whisper-base`.
        revision: Branch, tag or commit on the hub; None for the newest.
        device: Where the model runs.

    Raises:
        MissingInputError: There is no such model.
        CheckpointError: It is incomplete, or of a family that is not supported.
        MissingPackageError: transformers cannot be imported.
    """
    checkpoint = find_checkpoint(source, revision)
    model_type = str(checkpoint.config.get("model_type"))
    if model_type not in MODEL_TYPES:
        raise CheckpointError(
            checkpoint.folder,
            expected=f"a model_type among {', '.join(MODEL_TYPES)}",
            got=repr(model_type),
            remedy="Choose a model of one of these families.",
        )
    try:
        return _build(model_type, checkpoint, device)
    except (ImportError, OSError) as error:
        raise MissingPackageError(
            "transformers",
            expected="an installation that can be imported",
            got=str(error),
            remedy="`tokser doctor` tells what does not fit, most often torch and torchaudio.",
        ) from error


def _build(
    model_type: str, checkpoint: Checkpoint, device: "torch.device"
) -> SpeechEncoder | TextEncoder:
    # Each family imports its own part of transformers, which takes seconds.
    if model_type == "whisper":
        from tokser.encoders.whisper import WhisperSpeechEncoder

        return cast(SpeechEncoder, WhisperSpeechEncoder(checkpoint, device))
    if model_type == "wavlm":
        from tokser.encoders.wavlm import WavLMSpeechEncoder

        return cast(SpeechEncoder, WavLMSpeechEncoder(checkpoint, device))
    from tokser.encoders.bert import BertTextEncoder

    return cast(TextEncoder, BertTextEncoder(checkpoint, device))
