"""Recordings that a page carries with it: Ogg/Opus in data addresses, which every browser plays."""

import base64
import io
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float32

from tokser.errors import MissingPackageError

__all__ = ["BYTES_PER_S", "SAMPLING_RATE_HZ", "Recording", "embedded_audio", "estimated_bytes"]

SAMPLING_RATE_HZ = 16_000
"""Of the samples; Opus knows 8, 12, 16, 24 and 48 kHz."""
BYTES_PER_S = 5_000
"""What a second of speech takes in a page, as base64: measured on EmoDB and nEMO."""
_BYTES_PER_RECORDING = 600
"""Headers of one recording."""
_BLOCK = 10 * SAMPLING_RATE_HZ
"""Samples that are encoded at once: libsndfile takes memory on the stack for each call."""


class Recording(NamedTuple):
    """The sound of an utterance in a page.

    Attributes:
        address: Data address for `<audio src>`; empty where the recording cannot be read.
        fault: Why it cannot be read; empty where it can.
        waveform: Outline of its waveform, as a path; see `tokser.report.waveform`.
        duration_s: Its length, in s.
    """

    address: str
    fault: str = ""
    waveform: str = ""
    duration_s: float = 0.0


def embedded_audio(samples: Float32[np.ndarray, " num_samples"]) -> str:
    """Encode a recording as Ogg/Opus in a data address, for `<audio src>`.

    Args:
        samples: Mono at 16 kHz, nominally in [-1, 1]; what lies beyond is clipped.

    Raises:
        MissingPackageError: The installed libsndfile cannot write Opus.
    """
    if "OPUS" not in soundfile.available_subtypes("OGG"):
        raise MissingPackageError(
            "--audio",
            expected="libsndfile 1.0.29 or later, which writes Opus",
            got=f"libsndfile {soundfile.__libsndfile_version__} without it",
            remedy="Install the wheel of soundfile that brings its own: pip install soundfile.",
        )
    content = io.BytesIO()
    form = {"samplerate": SAMPLING_RATE_HZ, "channels": 1, "format": "OGG", "subtype": "OPUS"}
    with soundfile.SoundFile(content, "w", **form) as file:
        for first in range(0, len(samples), _BLOCK):
            file.write(np.clip(samples[first : first + _BLOCK], -1.0, 1.0))
    return f"data:audio/ogg;base64,{base64.b64encode(content.getvalue()).decode()}"


def estimated_bytes(durations_s: Iterable[float]) -> int:
    """Estimate what recordings add to a page, in bytes.

    Args:
        durations_s: Length of each, in s.
    """
    lengths = list(durations_s)
    return round(sum(lengths) * BYTES_PER_S) + len(lengths) * _BYTES_PER_RECORDING
