"""Which model transcribes: a whole Whisper, decoder included, or an error that says what to do."""

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokser.device import resolve_device
from tokser.encoders.checkpoint import Checkpoint, find_checkpoint
from tokser.errors import CheckpointError, list_some

if TYPE_CHECKING:
    from tokser.transcription.whisper import Whisper

__all__ = ["Transcriber", "find_whole"]

_REMEDY = (
    "Name a whole Whisper with {option}: a hub id such as openai/whisper-base, or the folder of "
    "a complete copy (`hf download openai/whisper-base --local-dir FOLDER`)."
)
_GENERATION = "generation_config.json"
_TOKENS = ("decoder_start_token_id", "eos_token_id", "no_timestamps_token_id")
_SPELLINGS = "normalizer.json"
_METHOD = "greedy-1"
"""Changes when the same model would write down other texts."""


@dataclass(frozen=True)
class Transcriber:
    """A Whisper that transcribes, and what decides its transcripts; loaded when it is needed.

    Attributes:
        checkpoint: Its folder.
        device: `auto`, `cpu`, `cuda`, ...
        no_speech_threshold: Probability of no speech beyond which nothing is written down.
    """

    checkpoint: Checkpoint
    device: str = "auto"
    no_speech_threshold: float = 0.6

    @functools.cached_property
    def weights_sha256(self) -> str:
        """Digest of the weights."""
        return self.checkpoint.weights_sha256()

    @functools.cached_property
    def model(self) -> "Whisper":
        """The model, loaded at the first use."""
        from tokser.transcription.whisper import Whisper

        return Whisper(self.checkpoint, resolve_device(self.device), self.no_speech_threshold)

    def spellings(self) -> dict[str, str]:
        """Return American spellings of British words, where the model's folder lists them."""
        try:
            content = json.loads((self.checkpoint.folder / _SPELLINGS).read_bytes())
        except (OSError, ValueError):
            return {}
        return dict(content) if isinstance(content, dict) else {}

    def identity(self) -> dict[str, Any]:
        """Return what decides a transcript, besides the recording and its language."""
        return {
            "model": self.checkpoint.name,
            "revision": self.checkpoint.revision,
            "weights_sha256": self.weights_sha256,
            "no_speech_threshold": self.no_speech_threshold,
            "method": _METHOD,
        }


def find_whole(
    source: str, revision: str | None = None, *, option: str = "--encoder"
) -> Checkpoint:
    """Find a Whisper that can write, not only listen.

    Args:
        source: Local folder, or hub id such as `openai/whisper-base`.
        revision: Branch, tag or commit on the hub.
        option: Which option names it, for messages.

    Raises:
        MissingInputError: There is no such model.
        CheckpointError: It is no Whisper, or lacks its decoder or its settings for generation.
    """
    found = find_checkpoint(source, revision)
    model_type = str(found.config.get("model_type"))
    if model_type != "whisper":
        raise _refused(found, option, f"model_type {model_type!r}")
    names = _weight_names(found)
    if names and not any("decoder." in name for name in names):
        raise _refused(
            found, option, f"{len(names)} weights, all of the encoder and none of the decoder"
        )
    if not (found.folder / _GENERATION).is_file():
        there = list_some(sorted(entry.name for entry in found.folder.iterdir()))
        raise _refused(found, option, f"{there}, but no {_GENERATION}")
    lacking = _lacking_settings(found)
    if lacking:
        raise _refused(found, option, f"a {_GENERATION} without {', '.join(lacking)}")
    return found


def _lacking_settings(found: Checkpoint) -> list[str]:
    """Return the tokens that generation needs and its settings do not name."""
    try:
        content = json.loads((found.folder / _GENERATION).read_bytes())
    except (OSError, ValueError, RecursionError):
        content = {}
    named = content if isinstance(content, dict) else {}
    return [name for name in _TOKENS if not isinstance(named.get(name), int)]


def _refused(found: Checkpoint, option: str, got: str) -> CheckpointError:
    return CheckpointError(
        found.folder,
        expected=f"a Whisper with encoder, decoder, tokenizer and {_GENERATION}",
        got=got,
        remedy=_REMEDY.format(option=option),
    )


def _weight_names(found: Checkpoint) -> list[str]:
    """Return the names of the weights; none where only loading them would tell."""
    from safetensors import SafetensorError, safe_open

    names: list[str] = []
    for file in found.weight_files:
        if file.suffix != ".safetensors":
            return []
        try:
            with safe_open(file, framework="numpy") as content:
                names += content.keys()
        except (SafetensorError, OSError):
            return []  # reported where the weights are loaded
    return names
