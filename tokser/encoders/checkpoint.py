"""A model folder: from a hub id, or a local one; what its files are, and their digests."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokser.errors import CheckpointError, MissingInputError, list_some
from tokser.names import Name
from tokser.provenance import digest_of, sha256_of_file

__all__ = ["Checkpoint", "find_checkpoint", "quiet_transformers"]

_SAFE, _PICKLED = "model*.safetensors", "pytorch_model*.bin"
_SMALL = ["*.json", "*.txt", "*.model"]
_MOST = {"layers": 1_000, "dropout": 1}
"""Largest value of a configuration, by how its key ends; a damaged one may have more."""


@dataclass(frozen=True)
class Checkpoint:
    """A model folder on this machine.

    Attributes:
        name: Name of the model, the last part of its hub id or folder.
        folder: Its folder.
        revision: Commit on the hub; empty for a local folder.
        config: The content of its config.json.
    """

    name: str
    folder: Path
    revision: str
    config: Mapping[str, Any]

    @property
    def weight_files(self) -> list[Path]:
        """Files that hold weights: safetensors, or else PyTorch's own format."""
        return sorted(self.folder.glob(_SAFE)) or sorted(self.folder.glob(_PICKLED))

    def weights_sha256(self) -> str:
        """One sha256 over all weight files."""
        digests = [sha256_of_file(file) for file in self.weight_files]
        return digests[0] if len(digests) == 1 else digest_of(digests)


def find_checkpoint(source: str, revision: str | None = None) -> Checkpoint:
    """Find a model on disk, or fetch it from the hub into the hub's own cache.

    Args:
        source: Local folder, or hub id such as `openai/whisper-base`.
        revision: Branch, tag or commit on the hub.

    Raises:
        MissingInputError: It is neither, or the hub cannot be reached.
        CheckpointError: It has no config.json or no weights.
    """
    local = Path(os.path.normpath(Path(source).expanduser().absolute()))  # `..` names its folder
    if source.startswith((".", "/", "~")) and not local.is_dir():
        raise MissingInputError(
            f"--encoder {source}",
            expected="a local model folder",
            got="no such folder",
            remedy="Correct the path; to name a model on the hub, leave out the leading ./",
        )
    folder = local if local.is_dir() else _fetch(source, revision)
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise CheckpointError(
            source,
            expected="a model folder with config.json",
            got=list_some(sorted(entry.name for entry in folder.iterdir())) or "an empty folder",
            remedy="Name the folder that contains config.json and model.safetensors.",
        )
    name = local.name if local.is_dir() else source.rpartition("/")[2]
    found = Checkpoint(
        name=Name.of(name, f"--encoder {source}"),
        folder=folder,
        revision="" if local.is_dir() else folder.name,
        config=_read_config(source, config_file),
    )
    if not found.weight_files:
        raise CheckpointError(
            source,
            expected=f"weights ({_SAFE} or {_PICKLED})",
            got=list_some(sorted(entry.name for entry in folder.iterdir())),
            remedy="Copy the weights into this folder.",
        )
    return found


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the log lines and progress bars of transformers while the block runs."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _read_config(source: str, file: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError(f"a {type(config).__name__}")
        for key, value in config.items():
            most = next((most for end, most in _MOST.items() if key.endswith(end)), None)
            if most is not None and isinstance(value, int | float) and not 0 <= value <= most:
                raise ValueError(f"{key} {value:.3g}")
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            source,
            expected="a config.json that holds a JSON object",
            got=str(error),
            remedy="The file is damaged: fetch the model again.",
        ) from error
    return config


def _fetch(source: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(source, revision=revision, allow_patterns=[*_SMALL, _SAFE]))
        if not any(folder.glob(_SAFE)):
            # Some models of the field (WavLM) are published in PyTorch's own format only, which
            # transformers reads with weights_only=True, so no code of theirs is run.
            snapshot_download(source, revision=revision, allow_patterns=[_PICKLED])
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        unreachable = isinstance(error, LocalEntryNotFoundError)
        reason = str(error).strip().partition("\n")[0].removeprefix("Got: ").rstrip(".")
        raise MissingInputError(
            f"--encoder {source}",
            expected="a local model folder or the id of a model on the hub",
            got=f"{'no answer from the hub' if unreachable else type(error).__name__}: {reason}",
            remedy="Check the network (and HTTPS_PROXY), or fetch the model elsewhere with "
            f"`hf download {source} --local-dir FOLDER` and name the folder."
            if unreachable
            else "Check the spelling: an id is owner/name, e.g. openai/whisper-base; a local "
            "folder needs ./ before its name.",
        ) from error
    return folder
