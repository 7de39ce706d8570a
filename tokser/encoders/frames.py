"""How many frames a waveform has, and how long ones are cut into windows. Pure arithmetic."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = [
    "WHISPER_FRAME_SAMPLES",
    "Span",
    "conv_frames",
    "conv_min_samples",
    "overlapping",
    "whisper_frames",
    "windows",
]

WHISPER_FRAME_SAMPLES = 320
"""Samples of 16 kHz that a Whisper frame stands for: hop of 160, convolution stride of 2."""


def whisper_frames(num_samples: int) -> int:
    """Frames that hold audio once the padding is trimmed: ceil(num_samples / 320)."""
    return -(-num_samples // WHISPER_FRAME_SAMPLES)


def conv_frames(num_samples: int, kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Frames that a stack of unpadded convolutions makes; WavLM's has (n - 400) // 320 + 1.

    Args:
        num_samples: Length of the waveform, in samples.
        kernels: Kernel width of each convolution.
        strides: Stride of each convolution.
    """
    length = num_samples
    for kernel, stride in zip(kernels, strides, strict=True):
        length = max(0, (length - kernel) // stride + 1)
    return length


def conv_min_samples(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Shortest waveform for which `conv_frames` is 1; 400 samples for WavLM."""
    length = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        length = (length - 1) * stride + kernel
    return length


def windows(num_samples: int, window: int) -> list[tuple[int, int]]:
    """Cut a waveform into consecutive windows: (first sample, sample after the last) each."""
    return [(first, min(first + window, num_samples)) for first in range(0, num_samples, window)]


class Span(NamedTuple):
    """A window over frames, and which of its frames are kept."""

    first: int
    after: int
    keep_first: int
    keep_after: int


def overlapping(num_frames: int, window: int, overlap: int) -> list[Span]:
    """Cut frames into overlapping windows; each window keeps half of every overlap.

    So every kept frame has at least `overlap // 2` frames of context on both sides, except at the
    ends of the recording.

    Args:
        num_frames: Frames of the recording; up to `window` of them are one window.
        window: Frames of a window; the last may be shorter, but not shorter than `overlap`.
        overlap: Frames that a window shares with the next; less than `window`.
    """
    spans: list[Span] = []
    first = kept = 0
    while True:
        after = min(first + window, num_frames)
        keep_after = num_frames if after == num_frames else after - overlap // 2
        spans.append(Span(first, after, kept, keep_after))
        if after == num_frames:
            return spans
        first, kept = first + window - overlap, keep_after
