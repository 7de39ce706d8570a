"""The sound of one utterance of a manifest: a recording, one of its channels, or a part of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from tokser.corpora.manifest import channel_of
from tokser.corpora.parts import first_sample, part_of
from tokser.corpora.waveform import read_part, read_waveform, resampled_length

__all__ = ["duration_s", "read_utterance"]


def read_utterance(root: Path, row: Mapping[str, Any]) -> Float32[np.ndarray, " num_samples"]:
    """Decode an utterance, mono at 16 kHz.

    Args:
        root: Folder of the corpus, which paths are relative to.
        row: Of a manifest or of `Store.utterances`: `path`, `num_samples`, `sampling_rate_hz`, and
            `channel`, `start_s` and `end_s` where there are such columns.

    Raises:
        AudioError: The recording is missing, or cannot be used.
    """
    path, channel = root / str(row["path"]), channel_of(row)
    part = part_of(row)
    if part is None:
        return read_waveform(path, channel)
    rate = int(row["sampling_rate_hz"])
    first = first_sample(part, rate)
    num_samples = resampled_length(int(row["num_samples"]), rate)
    return read_part(path, first, first + num_samples, channel)


def duration_s(row: Mapping[str, Any]) -> float:
    """Return the length of an utterance, in s; 0 of one that was unusable."""
    return int(row["num_samples"]) / max(int(row["sampling_rate_hz"]), 1)
