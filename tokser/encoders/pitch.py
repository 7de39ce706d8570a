"""Fundamental frequency (F0) of the frames of a waveform, by YIN."""

import numpy as np
from jaxtyping import Float32, Float64

__all__ = ["FRAME", "HIGHEST_HZ", "HOP", "LOWEST_HZ", "frames_of", "yin"]

SAMPLING_RATE_HZ = 16_000
FRAME, HOP = 800, 160
"""Samples of a frame (50 ms: three periods of the lowest voice) and between two frames (10 ms)."""
LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
_THRESHOLD = 0.15
"""Aperiodicity below which a frame is voiced."""
_LONGEST = int(np.ceil(SAMPLING_RATE_HZ / LOWEST_HZ)) + 1
_SHORTEST = int(SAMPLING_RATE_HZ / HIGHEST_HZ)
_WINDOW = FRAME - _LONGEST
_FFT = 2_048
_ROUNDING = 1e-12


def frames_of(waveform: Float32[np.ndarray, " samples"]) -> Float64[np.ndarray, "frames _"]:
    """Return the frames of a waveform of 16 kHz, [frames, FRAME]; it has one at least."""
    cut = np.lib.stride_tricks.sliding_window_view(waveform, FRAME)[::HOP]
    return np.asarray(cut, dtype=np.float64)


def yin(frames: Float64[np.ndarray, "frames _"]) -> Float64[np.ndarray, " frames"]:
    """Return F0 of each frame in Hz; NaN where it is unvoiced.

    d(tau) = sum_j (x_j - x_{j + tau})^2 over a window, d'(tau) = d(tau) tau / sum_{t <= tau} d(t).
    The period is where d' first reaches a minimum below a threshold, refined by a parabola.

    Args:
        frames: See `frames_of`.

    Source: de Cheveigne and Kawahara 2002, steps 1 to 5. Departs: a frame without such a minimum
    counts as unvoiced, instead of taking the least.
    """
    if not len(frames):
        return np.empty(0)
    normalised = _normalised_difference(frames - frames.mean(axis=1, keepdims=True))
    lags = np.arange(normalised.shape[1])
    is_dip = np.zeros(normalised.shape, dtype=bool)
    is_dip[:, 1:-1] = (normalised[:, 1:-1] <= normalised[:, :-2]) & (
        normalised[:, 1:-1] < normalised[:, 2:]
    )
    is_dip &= (normalised < _THRESHOLD) & (lags >= _SHORTEST)
    first = is_dip.argmax(axis=1)
    rows = np.arange(len(frames))
    before, at, after = (
        normalised[rows, np.clip(first + step, 0, len(lags) - 1)] for step in (-1, 0, 1)
    )
    bend = before - 2 * at + after
    shift = np.where(
        np.abs(bend) > _ROUNDING, (before - after) / np.where(bend == 0, 1, 2 * bend), 0
    )
    period = first + np.clip(shift, -0.5, 0.5)
    found = np.where(is_dip.any(axis=1), SAMPLING_RATE_HZ / np.maximum(period, 1), np.nan)
    return np.asarray(found, dtype=np.float64)


def _normalised_difference(
    frames: Float64[np.ndarray, "frames samples"],
) -> Float64[np.ndarray, "frames lags"]:
    """Return d' for the lags 0 to `_LONGEST`, by Fourier transform."""
    spectra = np.fft.rfft(frames, _FFT)
    windows = np.fft.rfft(frames[:, :_WINDOW], _FFT)
    products = np.fft.irfft(spectra * windows.conj(), _FFT)[:, : _LONGEST + 1]
    squares = np.cumsum(np.pad(frames**2, ((0, 0), (1, 0))), axis=1)
    power = squares[:, _WINDOW : _WINDOW + _LONGEST + 1] - squares[:, : _LONGEST + 1]
    difference = np.maximum(power[:, :1] + power - 2 * products, 0)
    lags = np.arange(1, _LONGEST + 1)
    sums = np.cumsum(difference[:, 1:], axis=1)
    normalised = np.ones_like(difference)
    # Of a silent frame nothing is periodic.
    is_sound = sums > _ROUNDING * np.maximum(power[:, :1], _ROUNDING)
    np.divide(difference[:, 1:] * lags, sums, out=normalised[:, 1:], where=is_sound)
    return np.asarray(normalised)
