"""A recording at 16 kHz, block by block: memory does not grow with its length."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.sound_file import SoundFile, opened, unusable
from tokser.corpora.waveform import (
    SAMPLING_RATE_HZ,
    check_channel,
    check_samples,
    mono,
    resample,
    resampled_length,
)

__all__ = ["read_blocks"]

_BLOCK_S = 60


def read_blocks(
    path: Path, channel: int | None = None, part: tuple[int, int] | None = None
) -> Iterator[NDArray[np.float32]]:
    """Yield a recording, or a part of it, as `read_waveform` gives it, a minute at a time.

    Each block is resampled with a second of its neighbours on either side, far more than the filter
    is wide.

    Args:
        path: A sound file of any format that libsndfile knows.
        channel: Number of one channel, from 0; None: the mean of all channels.
        part: First sample and the one after the last, as recorded; None: all of it.

    Raises:
        AudioError: As `read_waveform`.
        MissingPackageError: torchaudio is needed to resample and cannot be imported.
    """
    with opened(path) as recording:
        check_channel(recording, channel)
        rate = recording.sampling_rate_hz
        blocks = _recorded(recording, channel, part)
        if rate == SAMPLING_RATE_HZ:
            yield from blocks
        else:
            yield from _resampled(blocks, rate)


def _recorded(
    recording: SoundFile, channel: int | None, part: tuple[int, int] | None
) -> Iterator[NDArray[np.float32]]:
    """Yield mono blocks of a minute at the recording's own rate."""
    first, after = part or (0, recording.num_samples)
    step, num_read = _BLOCK_S * recording.sampling_rate_hz, 0
    if recording.num_samples is None or after is None:  # no length is stated: from the beginning
        for position, block in enumerate(recording.blocks()):
            begin = position * step
            end = len(block) if after is None else after - begin
            kept = mono(block, channel)[max(first - begin, 0) : max(end, 0)]
            if len(kept):
                check_samples(recording.path, kept)
                num_read += len(kept)
                yield kept
    else:
        for begin in range(first, after, step):
            block = mono(recording.part(begin, min(step, after - begin)), channel)
            if len(block):
                check_samples(recording.path, block)
                num_read += len(block)
                yield block
        if part is None and num_read != after:
            raise unusable(
                recording.path, f"{num_read} of the {after} samples that its header states"
            )
    if num_read == 0:
        raise unusable(recording.path, "a recording of zero samples")


def _resampled(blocks: Iterator[NDArray[np.float32]], rate: int) -> Iterator[NDArray[np.float32]]:
    """Resample blocks; a block waits for the one after it, whose beginning the filter sees."""
    before = np.zeros(0, dtype=np.float32)
    current = next(blocks, None)
    while current is not None:
        following = next(blocks, None)
        behind = np.zeros(0, dtype=np.float32) if following is None else following[:rate]
        found = resample(np.concatenate([before, current, behind]), rate)
        start = resampled_length(len(before), rate)
        yield found[start : start + resampled_length(len(current), rate)]
        before, current = current[-rate:], following
