"""One utterance's recording as an encoder takes it: its samples, or why there are none."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.waveform import (
    SAMPLING_RATE_HZ,
    Fingerprint,
    fingerprint,
    read_part,
    read_waveform,
)
from tokser.errors import AudioError

__all__ = ["Decoded", "decode"]

_RECORDINGS_REMEMBERED = 1024


@dataclass(frozen=True)
class Decoded:
    """A recording that was read.

    Attributes:
        waveform: float32 [num_samples] at 16 kHz; None: it cannot be read.
        fingerprint: Of its file; None: it cannot be read.
        reason: Why there is no waveform; empty if there is one.
    """

    waveform: NDArray[np.float32] | None = None
    fingerprint: Fingerprint | None = None
    reason: str = ""


def decode(path: Path, num_samples: int, channel: int | None, first: int | None) -> Decoded:
    """Read a recording or a part of one; thread-safe.

    Args:
        path: The recording.
        num_samples: Samples that it must have at 16 kHz.
        channel: Which one; None: the mean of all.
        first: Where the utterance begins, in samples at 16 kHz; None: it is the whole recording.
    """
    found = None
    try:
        found = _fingerprint(path, is_part=first is not None)
        if first is None:
            waveform = read_waveform(path, channel)
        else:
            waveform = read_part(path, first, first + num_samples, channel)
        if len(waveform) != num_samples:
            raise AudioError(
                path,
                expected=f"{num_samples} samples at {SAMPLING_RATE_HZ} Hz as in the manifest",
                got=str(len(waveform)),
                remedy="The recording changed since the corpus was scanned: scan it again.",
            )
    except AudioError as error:
        return Decoded(None, found, str(error))
    return Decoded(waveform, found)


def _fingerprint(path: Path, *, is_part: bool) -> Fingerprint:
    """Return the fingerprint of a recording, which is read once for all its parts."""
    if not is_part:
        return fingerprint(path)
    try:
        status = path.stat()
    except OSError:
        return fingerprint(path)  # which says what is wrong
    return _fingerprint_of(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=_RECORDINGS_REMEMBERED)
def _fingerprint_of(path: Path, modified_ns: int, num_bytes: int) -> Fingerprint:
    return fingerprint(path)
