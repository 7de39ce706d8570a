"""The small files of a model folder: what they lack is filled in, what is wrong is told."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokser.encoders.checkpoint import Checkpoint, quiet_transformers
from tokser.errors import CheckpointError, TokserError, list_some

if TYPE_CHECKING:
    from transformers import Wav2Vec2FeatureExtractor

__all__ = ["completed", "load_normaliser", "load_tokenizer", "reading"]

_MOST_CHARACTERS = 200
_PREPROCESSOR, _PROCESSOR = "preprocessor_config.json", "processor_config.json"
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.bpe.*")
_SAMPLING_RATE_HZ = 16_000
_SPECIAL = ("cls_token", "sep_token", "pad_token", "unk_token")


@contextlib.contextmanager
def reading(checkpoint: Checkpoint, expected: str) -> Iterator[None]:
    """Say of what cannot be read that the folder is damaged; transformers raises any error.

    What tells of the machine (no memory, an interrupt) is left as it is.
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
            got=_told(error),
            remedy="A file is damaged or of another model: fetch it again.",
        ) from error


def completed(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint whose config has every setting: transformers' own where it has none.

    Raises:
        CheckpointError: A setting is of the wrong type.
    """
    from transformers import CONFIG_MAPPING

    model_type = str(checkpoint.config["model_type"])
    if model_type not in CONFIG_MAPPING:  # an encoder that is not of transformers
        return checkpoint
    with reading(checkpoint, "a config.json that fits its model_type"), quiet_transformers():
        config: Any = CONFIG_MAPPING[model_type].from_dict(dict(checkpoint.config))
        whole = {**config.to_dict(), "model_type": model_type}
    return replace(checkpoint, config=whole)


def load_normaliser(checkpoint: Checkpoint) -> "Wav2Vec2FeatureExtractor":
    """Load what normalises waveforms, from `preprocessor_config.json` or `processor_config.json`.

    Raises:
        CheckpointError: There is neither, or it is of another rate than 16 kHz, or damaged.
    """
    from transformers import Wav2Vec2FeatureExtractor

    folder = checkpoint.folder
    if not (folder / _PREPROCESSOR).is_file() and not _has_extractor(folder / _PROCESSOR):
        raise CheckpointError(
            folder,
            expected=f"{_PREPROCESSOR} or {_PROCESSOR}, which says whether waveforms are "
            "normalised",
            got=list_some(sorted(entry.name for entry in folder.iterdir())),
            remedy="Copy it from where the model was published.",
        )
    with reading(checkpoint, "a preprocessor that transformers can read"), quiet_transformers():
        found = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    stated = {"sampling_rate": found.sampling_rate, "feature_size": found.feature_size}
    if stated != {"sampling_rate": _SAMPLING_RATE_HZ, "feature_size": 1} or not isinstance(
        found.do_normalize, bool
    ):
        raise CheckpointError(
            folder,
            expected=f"a preprocessor of waveforms at {_SAMPLING_RATE_HZ} Hz",
            got=f"sampling_rate {found.sampling_rate!r}, feature_size {found.feature_size!r}, "
            f"do_normalize {found.do_normalize!r}",
            remedy="Choose a model for 16 kHz; tokser resamples every recording to that.",
        )
    return found


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load a model's tokenizer.

    Raises:
        CheckpointError: The folder has none (transformers would make up an empty one), it is
            damaged, one that needs a package, or without a special token.
    """
    from transformers import AutoTokenizer

    folder = checkpoint.folder
    if not any(file.is_file() for name in _TOKENIZERS for file in folder.glob(name)):
        raise CheckpointError(
            folder,
            expected="the model's tokenizer (tokenizer.json, vocab.txt or alike)",
            got=list_some(sorted(entry.name for entry in folder.iterdir())),
            remedy="Copy it from where the model was published, or write it with "
            "`tokenizer.save_pretrained`.",
        )
    with reading(checkpoint, "a tokenizer that transformers can read"), quiet_transformers():
        found: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    lacking = [name for name in _SPECIAL if getattr(found, f"{name}_id", None) is None]
    if not getattr(found, "is_fast", False):
        lacking = [f"{type(found).__name__}, which tokenizers cannot run"]
    if lacking:
        raise CheckpointError(
            folder,
            expected="a tokenizer that can be kept as tokenizer.json, with cls_token, sep_token, "
            "pad_token and unk_token",
            got=lacking[0] if " " in lacking[0] else f"none for {', '.join(lacking)}",
            remedy="Choose a model with such a tokenizer, or convert this one.",
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


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:_MOST_CHARACTERS]}" if text else type(error).__name__
