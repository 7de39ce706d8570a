"""Recordings: what their headers state, and their samples, mono at 16 kHz."""

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import xxhash
from jaxtyping import Float32

from tokser.errors import AudioError, MissingPackageError

__all__ = [
    "RESAMPLING",
    "SAMPLING_RATE_HZ",
    "Fingerprint",
    "fingerprint",
    "import_torchaudio",
    "probe",
    "read_waveform",
    "resampled_length",
]

SAMPLING_RATE_HZ = 16_000
_BLOCK_S = 60
_FILTER: dict[str, Any] = {
    "resampling_method": "sinc_interp_kaiser",
    "lowpass_filter_width": 64,
    "rolloff": 0.9475937167399596,
    "beta": 14.769656459379492,
}
"""torchaudio's counterpart of resampy's `kaiser_best`: level to 7 kHz, -100 dB from 8.1 kHz on.

Its default filter lets 8.1 kHz through at -7 dB, which folds down to 7.9 kHz.
"""
RESAMPLING = ", ".join(f"{key} {value}" for key, value in _FILTER.items())
"""The same, as provenance has it."""
_LONGEST_S = 24 * 3600
_STREAMED = (0, 2**32 - 1)
"""Lengths in a WAV's header that mean: not known when it was begun."""


def probe(path: Path) -> tuple[int, int]:
    """Read the length of a recording from its header; nothing is decoded.

    Args:
        path: A sound file of any format that libsndfile knows.

    Returns:
        `num_samples` of one channel and `sampling_rate_hz`, both as recorded.

    Raises:
        AudioError: The file is missing, empty, no audio, or states no usable length.
    """
    _check_file(path)
    try:
        with soundfile.SoundFile(str(path)) as recording:
            num_samples, sampling_rate_hz = recording.frames, recording.samplerate
    except soundfile.SoundFileError as error:
        raise _unusable(path, f"a file that is not audio ({_reason(error)})") from error
    if num_samples == 0:
        raise _unusable(path, "a recording of zero samples")
    _refuse_cut_wav(path)
    # A FLAC stream of unknown length counts as 2^63 - 1 samples.
    if num_samples > _LONGEST_S * sampling_rate_hz:
        raise _unusable(path, "a header without a credible length (unknown, or above 24 h)")
    return num_samples, sampling_rate_hz


def resampled_length(num_samples: int, from_hz: int, to_hz: int = SAMPLING_RATE_HZ) -> int:
    """Count the samples that a recording has after resampling.

    ceil(num_samples * to_hz / from_hz), in whole numbers.

    Args:
        num_samples: Length before, >= 0.
        from_hz: Sampling rate before, > 0.
        to_hz: Sampling rate after, > 0.

    Returns:
        The length after, exactly that of `read_waveform`.
    """
    return -(-num_samples * to_hz // from_hz)


class Fingerprint(NamedTuple):
    """What a recording's file was when it was read."""

    digest: str
    """xxh3-64 (hex) of its bytes."""
    modified_ns: int
    """When it had last been changed, in ns since 1970."""


def fingerprint(path: Path) -> Fingerprint:
    """Take a recording's fingerprint; `AudioError` if its file cannot be read."""
    try:
        modified_ns = path.stat().st_mtime_ns
        return Fingerprint(xxhash.xxh3_64_hexdigest(path.read_bytes()), modified_ns)
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from error


def read_waveform(path: Path) -> Float32[np.ndarray, " num_samples"]:
    """Decode a recording, average its channels, and resample it to 16 kHz in fp32.

    Args:
        path: A sound file of any format that libsndfile knows.

    Returns:
        float32 `[num_samples]` at 16 kHz, nominally in [-1, 1].

    Raises:
        AudioError: The file is unusable, holds fewer samples than its header states, or holds
            NaN or infinity.
        MissingPackageError: torchaudio is needed to resample and cannot be imported.
    """
    num_samples, sampling_rate_hz = probe(path)
    waveform = _decode(path, num_samples)
    if not np.isfinite(waveform).all():
        raise _unusable(path, f"{np.count_nonzero(~np.isfinite(waveform))} samples of NaN or inf")
    if sampling_rate_hz == SAMPLING_RATE_HZ:
        return waveform
    return _resample(waveform, sampling_rate_hz)


def _decode(path: Path, num_samples: int) -> Float32[np.ndarray, " num_samples"]:
    # In blocks: a damaged header must not decide how much memory is allocated at once.
    blocks: list[np.ndarray] = []
    num_read = 0
    try:
        with soundfile.SoundFile(str(path)) as recording:
            while num_read < num_samples:
                block = recording.read(_BLOCK_S * recording.samplerate, "float32", always_2d=True)
                if len(block) == 0:
                    break
                num_read += len(block)
                blocks.append(block[:, 0] if block.shape[1] == 1 else block.mean(axis=1))
    except soundfile.SoundFileError as error:
        got = f"a file that stops decoding ({_reason(error)}): truncated or damaged"
        raise _unusable(path, got) from error
    if num_read != num_samples:
        raise _unusable(path, f"{num_read} of the {num_samples} samples that its header states")
    return np.concatenate(blocks)


def _resample(waveform: np.ndarray, from_hz: int) -> np.ndarray:
    """Resample to 16 kHz, block by block: a filter over an hour at once takes gigabytes.

    A second beside each block, far more than the filter is wide, makes its samples those of the
    whole; zeros stand around the recording.
    """
    torch, torchaudio = import_torchaudio()
    block = _BLOCK_S * from_hz
    blocks = []
    for first in range(0, len(waveform), block):
        before = min(first, from_hz)
        given = waveform[first - before : first + block + from_hz]
        # torchaudio cuts to a length that it rounds in fp32: a second of the zeros that it pads
        # with anyway keeps the last samples.
        padded = torch.from_numpy(np.pad(given, (0, from_hz)))
        found = torchaudio.functional.resample(padded, from_hz, SAMPLING_RATE_HZ, **_FILTER)
        start = resampled_length(before, from_hz)
        blocks.append(found[start : start + _BLOCK_S * SAMPLING_RATE_HZ].numpy())
    return np.concatenate(blocks)[: resampled_length(len(waveform), from_hz)]


def import_torchaudio() -> tuple[Any, Any]:
    """Return torch and torchaudio; `MissingPackageError` if they do not fit each other."""
    try:
        import torch
        import torchaudio
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise MissingPackageError(
            "torchaudio",
            expected="torch and torchaudio of one release and one CUDA version",
            got=f"{type(error).__name__}: {error}",
            remedy="Run `tokser doctor`, and install the pair that it names.",
        ) from error
    return torch, torchaudio


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise _unusable(path, "no such file") from error
    except OSError as error:
        raise _unusable(path, f"a file that cannot be read ({error.strerror})") from error
    if not path.is_file():
        raise _unusable(path, "something that is not a file")
    if size == 0:
        raise _unusable(path, "an empty file (0 bytes)")


def _refuse_cut_wav(path: Path) -> None:
    """Raise if a WAV ends before its header says; libsndfile would correct the header."""
    size = path.stat().st_size
    with path.open("rb") as file:
        riff, _, wave = struct.unpack("<4sI4s", file.read(12).ljust(12))
        if (riff, wave) != (b"RIFF", b"WAVE"):
            return
        position = 12
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            position += 8
            if name == b"data":
                if length not in _STREAMED and position + length > size:
                    got = f"{size - position} of the {length} bytes that its header states"
                    raise _unusable(path, got)
                return
            position += length + length % 2
            file.seek(position)


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".")


def _unusable(path: Path, got: str) -> AudioError:
    return AudioError(
        path,
        expected="a complete recording of at least one finite sample",
        got=got,
        remedy="Fetch the file again, or leave the utterance out.",
    )
