"""Recordings: what their headers state, and their samples, mono at 16 kHz."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash
from jaxtyping import Float32

from tokser.corpora.sound_file import SoundFile, opened, unusable
from tokser.errors import MissingPackageError

__all__ = [
    "RESAMPLING",
    "SAMPLING_RATE_HZ",
    "Fingerprint",
    "check_channel",
    "check_samples",
    "fingerprint",
    "import_torchaudio",
    "mono",
    "probe",
    "read_part",
    "read_waveform",
    "resample",
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
"""The same filter as text, for provenance."""
_LARGEST_SAMPLE = 2.0**32
"""Largest absolute value of a sample: that of 32-bit integers read as floats."""


def probe(path: Path, channel: int | None = None) -> tuple[int, int]:
    """Read the length of a recording from its header; a file that states none is decoded.

    Args:
        path: A sound file of any format that libsndfile knows.
        channel: Number of one channel, from 0; None: the mean of all channels.

    Returns:
        `num_samples` of one channel and `sampling_rate_hz`, both as recorded.

    Raises:
        AudioError: The file is missing, empty, no audio, has no usable length, or no such channel.
    """
    with opened(path) as recording:
        check_channel(recording, channel)
        num_samples = recording.num_samples
        if num_samples is None:
            num_samples = sum(len(block) for block in recording.blocks())
        if num_samples == 0:
            raise unusable(path, "a recording of zero samples")
        return num_samples, recording.sampling_rate_hz


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
    """Checksum and modification time of a recording's file when it was read."""

    digest: str
    """xxh3-64 (hex) of its bytes."""
    modified_ns: int
    """Its modification time, in ns since 1970."""


def fingerprint(path: Path) -> Fingerprint:
    """Take a recording's fingerprint; `AudioError` if its file cannot be read."""
    try:
        modified_ns = path.stat().st_mtime_ns
        return Fingerprint(xxhash.xxh3_64_hexdigest(path.read_bytes()), modified_ns)
    except OSError as error:
        raise unusable(path, str(error.strerror)) from error


def read_waveform(path: Path, channel: int | None = None) -> Float32[np.ndarray, " num_samples"]:
    """Decode a recording, average its channels, and resample it to 16 kHz in fp32.

    Args:
        path: A sound file of any format that libsndfile knows.
        channel: Number of one channel, from 0; None: the mean of all channels.

    Returns:
        float32 `[num_samples]` at 16 kHz, nominally in [-1, 1].

    Raises:
        AudioError: The file is unusable, holds fewer samples than its header states, or samples
            that are NaN, infinite, or larger than any format of sound has them; or it has no such
            channel.
        MissingPackageError: torchaudio is needed to resample and cannot be imported.
    """
    with opened(path) as recording:
        check_channel(recording, channel)
        waveform = _decode(recording, channel)
        sampling_rate_hz = recording.sampling_rate_hz
    check_samples(path, waveform)
    if sampling_rate_hz == SAMPLING_RATE_HZ:
        return waveform
    return resample(waveform, sampling_rate_hz)


def read_part(
    path: Path, first: int, after: int, channel: int | None = None
) -> Float32[np.ndarray, " num_samples"]:
    """Decode a part of a recording, as `read_waveform` gives it, without reading the rest.

    A second on either side is decoded as well where the recording is resampled, which is far more
    than the filter is wide.

    Args:
        path: A sound file of any format that libsndfile knows.
        first: First sample, at 16 kHz.
        after: Sample after the last one, at 16 kHz.
        channel: Number of one channel, from 0; None: the mean of all channels.

    Returns:
        float32 `[after - first]`, less where the recording ends before.

    Raises:
        AudioError: As `read_waveform`; of the samples, only those of the part are looked at.
        MissingPackageError: torchaudio is needed to resample and cannot be imported.
    """
    with opened(path) as recording:
        check_channel(recording, channel)
        rate = recording.sampling_rate_hz
        if rate == SAMPLING_RATE_HZ:
            begin, end = first, after
        else:  # whole seconds, which have a whole number of samples at any rate
            begin = max(first // SAMPLING_RATE_HZ - 1, 0) * rate
            end = (-(-after // SAMPLING_RATE_HZ) + 1) * rate
        block = recording.part(begin, end - begin)
    if len(block) == 0:
        raise unusable(path, f"no sample from {first / SAMPLING_RATE_HZ:.2f} s on")
    waveform = mono(block, channel)
    check_samples(path, waveform)
    if rate == SAMPLING_RATE_HZ:
        return np.ascontiguousarray(waveform)
    start = first - begin // rate * SAMPLING_RATE_HZ
    return resample(waveform, rate)[start : start + after - first]


def mono(block: np.ndarray, channel: int | None) -> np.ndarray:
    """Return one channel of [samples, channels], or the mean of all."""
    if channel is not None or block.shape[1] == 1:
        return block[:, 0 if channel is None else channel]
    mean: np.ndarray = block.mean(axis=1)
    return mean


def _decode(recording: SoundFile, channel: int | None) -> Float32[np.ndarray, " num_samples"]:
    blocks = [mono(block, channel) for block in recording.blocks()]
    num_read, stated = sum(len(block) for block in blocks), recording.num_samples
    if num_read == 0:
        raise unusable(recording.path, "a recording of zero samples")
    if stated is not None and num_read != stated:
        got = f"{num_read} of the {stated} samples that its header states"
        raise unusable(recording.path, got)
    return np.concatenate(blocks)


def check_channel(recording: SoundFile, channel: int | None) -> None:
    """Raise `AudioError` unless a recording has a channel."""
    there = recording.num_channels
    if channel is not None and channel >= there:
        names = "only channel 0" if there == 1 else f"the channels 0 to {there - 1}"
        raise unusable(recording.path, f"{names}, but channel {channel} was requested")


def check_samples(path: Path, waveform: np.ndarray) -> None:
    """Raise `AudioError` if a sample is NaN, infinite, or larger than any format has them."""
    finite = np.isfinite(waveform)
    if not finite.all():
        raise unusable(path, f"{np.count_nonzero(~finite)} samples of NaN or inf")
    peak = float(np.abs(waveform).max())
    if peak > _LARGEST_SAMPLE:
        raise unusable(path, f"samples of up to {peak:.3g}; full scale is 1")


def resample(waveform: np.ndarray, from_hz: int) -> np.ndarray:
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
