"""The small files of a model folder: configuration, preprocessor and tokenizer, checked."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokser.encoders.checkpoint import Checkpoint, quiet_transformers
from tokser.errors import CheckpointError, TokserError, list_some

if TYPE_CHECKING:
    from transformers import Wav2Vec2FeatureExtractor

__all__ = ["load_normaliser", "load_tokenizer", "reading", "require_known", "with_defaults"]

_MOST_CHARACTERS = 200
_PREPROCESSOR, _PROCESSOR = "preprocessor_config.json", "processor_config.json"
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.bpe.*")
_SAMPLING_RATE_HZ = 16_000
_SPECIAL = ("cls_token", "sep_token", "pad_token", "unk_token")


@contextlib.contextmanager
def reading(checkpoint: Checkpoint, expected: str) -> Iterator[None]:
    """Turn any error of transformers into a `CheckpointError` that names the folder.

    Errors of the machine (no memory, an interrupt) are raised unchanged.
    """
    import torch

    try:
        yield
    except (TokserError, MemoryError, torch.OutOfMemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # A panic of tokenizers or safetensors, which are written in Rust, is no `Exception`.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise CheckpointError(
            checkpoint.folder,
            expected=expected,
            got=_described(error),
            remedy="A file is damaged or belongs to another model: fetch the model again.",
        ) from error


def with_defaults(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint whose config has every setting, with defaults from transformers.

    Raises:
        CheckpointError: A setting is of the wrong type.
    """
    from transformers import CONFIG_MAPPING

    model_type = str(checkpoint.config["model_type"])
    if model_type not in CONFIG_MAPPING:  # an encoder that transformers does not have
        return checkpoint
    with reading(checkpoint, "a config.json that fits its model_type"), quiet_transformers():
        config: Any = CONFIG_MAPPING[model_type].from_dict(dict(checkpoint.config))
        whole = {**config.to_dict(), "model_type": model_type}
    return replace(checkpoint, config=whole)


def require_known(checkpoint: Checkpoint, model_type: str, own: Sequence[str]) -> None:
    """Raise `CheckpointError` unless transformers knows a model_type.

    Args:
        checkpoint: The model folder.
        model_type: What its config.json says.
        own: Families that have an encoder of their own.
    """
    from transformers import CONFIG_MAPPING

    if model_type not in CONFIG_MAPPING:
        raise CheckpointError(
            checkpoint.folder,
            expected=f"a model_type among {', '.join(own)}, or a speech model of transformers",
            got=repr(model_type),
            remedy="Use a model of one of these families, or register an encoder "
            "(docs/extend/encoder.md).",
        )


def load_normaliser(checkpoint: Checkpoint) -> "Wav2Vec2FeatureExtractor":
    """Load the preprocessor that normalises waveforms.

    Raises:
        CheckpointError: The folder has none, or it is damaged or not for 16 kHz.
    """
    from transformers import Wav2Vec2FeatureExtractor

    folder = checkpoint.folder
    if not (folder / _PREPROCESSOR).is_file() and not _has_extractor(folder / _PROCESSOR):
        raise CheckpointError(
            folder,
            expected=f"{_PREPROCESSOR} or {_PROCESSOR}, which state whether waveforms are "
            "normalised",
            got=list_some(sorted(entry.name for entry in folder.iterdir())),
            remedy="Copy it from the page where the model was published.",
        )
    with reading(checkpoint, "a preprocessor that transformers can read"), quiet_transformers():
        found = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    stated = {"sampling_rate": found.sampling_rate, "feature_size": found.feature_size}
    if stated != {"sampling_rate": _SAMPLING_RATE_HZ, "feature_size": 1} or not isinstance(
        found.do_normalize, bool
    ):
        raise CheckpointError(
            folder,
            expected=f"a preprocessor for mono waveforms at {_SAMPLING_RATE_HZ} Hz",
            got=f"sampling_rate {found.sampling_rate!r}, feature_size {found.feature_size!r}, "
            f"do_normalize {found.do_normalize!r}",
            remedy="Use a model trained on 16 kHz audio, the rate to which tokser resamples.",
        )
    return found


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load a model's tokenizer.

    Raises:
        CheckpointError: The folder has none (transformers would create an empty one), or it is
            damaged, needs another package, or lacks a special token.
    """
    from transformers import AutoTokenizer

    folder = checkpoint.folder
    if not any(file.is_file() for name in _TOKENIZERS for file in folder.glob(name)):
        raise CheckpointError(
            folder,
            expected="the model's tokenizer (tokenizer.json, vocab.txt or similar)",
            got=list_some(sorted(entry.name for entry in folder.iterdir())),
            remedy="Copy it from the page where the model was published, or write it with "
            "`tokenizer.save_pretrained`.",
        )
    with reading(checkpoint, "a tokenizer that transformers can read"), quiet_transformers():
        found: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    lacking = [name for name in _SPECIAL if getattr(found, f"{name}_id", None) is None]
    if not getattr(found, "is_fast", False):
        lacking = [f"{type(found).__name__}, which has no fast version"]
    if lacking:
        raise CheckpointError(
            folder,
            expected="a fast tokenizer (tokenizer.json) with cls_token, sep_token, pad_token and "
            "unk_token",
            got=lacking[0] if " " in lacking[0] else f"none for {', '.join(lacking)}",
            remedy="Use a model with such a tokenizer, or convert this one.",
        )
    return found


def _has_extractor(file: Path) -> bool:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and bool(
        {"feature_extractor", "audio_processor"} & content.keys()
    )


def _described(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:_MOST_CHARACTERS]}" if text else type(error).__name__
