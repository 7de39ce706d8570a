"""How many frames a waveform has, and how long ones are cut. Pure arithmetic."""

from collections.abc import Sequence

__all__ = ["WHISPER_FRAME_SAMPLES", "conv_frames", "conv_min_samples", "whisper_frames", "windows"]

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
