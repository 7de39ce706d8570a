"""From a hub id or a folder to its encoder."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast

from tokser.config import ContextName, PrecisionName
from tokser.encoders.base import SpeechEncoder, TextEncoder
from tokser.encoders.checkpoint import Checkpoint, find_checkpoint
from tokser.encoders.registered import find_registered
from tokser.errors import MissingPackageError

if TYPE_CHECKING:
    import torch

    from tokser.encoders.arithmetic import Arithmetic

__all__ = ["MODEL_TYPES", "load_encoder"]

_WAVEFORM = ("wavlm", "hubert", "wav2vec2", "data2vec-audio")
_TEXT = ("bert", "roberta", "xlm-roberta", "distilbert")
MODEL_TYPES = ("whisper", *_WAVEFORM, *_TEXT)
"""Values of `model_type` in config.json that tokser has an encoder of their own for."""


def load_encoder(
    source: str,
    *,
    revision: str | None,
    device: "torch.device",
    precision: PrecisionName = "fp32",
    context: ContextName = "pad",
) -> SpeechEncoder | TextEncoder:
    """Return the encoder of a model; its weights are loaded with the first batch.

    Args:
        source: Local folder, hub id such as `openai/whisper-base`, `opensmile:eGeMAPSv02`, or
            what another package registers.
        revision: Branch, tag or commit on the hub; None for the newest.
        device: Where the model runs.
        precision: Type of its weights and matrix products.
        context: Whisper: `pad` (30 s windows) or `fit` (the utterance alone); others ignore it.

    Raises:
        SettingsError: The device does not support this precision.
        MissingInputError: There is no such model.
        CheckpointError: It is incomplete, or of a family that is not supported.
        MissingPackageError: transformers cannot be imported.
    """
    registered = find_registered(source)
    if registered is not None:
        return registered.load(device, precision)
    checkpoint = find_checkpoint(source, revision)
    model_type = str(checkpoint.config.get("model_type"))
    try:
        build = _builder(model_type, context)
    except (ImportError, OSError) as error:
        raise MissingPackageError(
            "transformers",
            expected="an installation that can be imported",
            got=str(error),
            remedy="`tokser doctor` shows which versions do not match, most often torch and "
            "torchaudio.",
        ) from error
    from tokser.encoders.arithmetic import Arithmetic
    from tokser.encoders.model_files import reading, require_known, with_defaults

    if model_type not in MODEL_TYPES:
        require_known(checkpoint, model_type, MODEL_TYPES)
    arithmetic = Arithmetic(device, precision)
    whole = with_defaults(checkpoint)
    with reading(checkpoint, "a config.json whose settings are consistent"):
        return build(whole, arithmetic)


_Builder: TypeAlias = "Callable[[Checkpoint, Arithmetic], SpeechEncoder | TextEncoder]"


def _builder(model_type: str, context: ContextName) -> _Builder:
    """Return the encoder class of a family, which imports only its own part of transformers."""
    if model_type == "whisper":
        from tokser.encoders.whisper import WhisperSpeechEncoder

        return cast(_Builder, partial(WhisperSpeechEncoder, context=context))
    if model_type in _WAVEFORM:
        from tokser.encoders.wav2vec2 import Wav2Vec2SpeechEncoder

        return cast(_Builder, Wav2Vec2SpeechEncoder)
    if model_type in _TEXT:
        from tokser.encoders.bert import BertTextEncoder

        return cast(_Builder, BertTextEncoder)
    from tokser.encoders.generic import GenericSpeechEncoder

    return cast(_Builder, GenericSpeechEncoder)
