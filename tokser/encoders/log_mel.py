"""Whisper's log-mel spectrogram, in fp32, on any device."""

import functools

import torch
from jaxtyping import Float32
from torch.nn.functional import pad
from transformers.audio_utils import mel_filter_bank

__all__ = ["HOP", "LogMel"]

HOP = 160
"""Samples of 16 kHz from one frame to the next."""

_FFT = 400
_FLOOR = 1e-10
_SAMPLING_RATE_HZ = 16_000


class LogMel:
    """log10 of mel energies, clipped 8 below the loudest of its row, then (x + 4) / 4.

    transformers' WhisperFeatureExtractor gives the same numbers, one recording at a time.
    Behind a recording stand zeros up to the window's end; only frames that reach audio are
    computed, the others are known.

    Args:
        num_mels: Mel bands, 80 or 128.

    Source: Radford et al. 2022, section 2.2.
    """

    def __init__(self, num_mels: int) -> None:
        self._num_mels = num_mels

    def __call__(
        self, waveforms: Float32[torch.Tensor, "rows samples"], num_samples: int
    ) -> Float32[torch.Tensor, "rows mels frames"]:
        """Return the spectrogram of waveforms that are continued by zeros.

        Args:
            waveforms: 16 kHz, zeros behind the end of shorter ones.
            num_samples: Length with the zeros that are to follow, a multiple of 160.

        Returns:
            `num_samples / 160` frames.
        """
        given = waveforms.shape[1]
        # 400 zeros behind the audio: the last frame computed sees nothing else.
        needed = min(num_samples, -(-(given + _FFT) // HOP) * HOP)
        padded = pad(pad(waveforms, (0, needed - given)), (_FFT // 2, _FFT // 2), "reflect")
        window, filters = self._constants(waveforms.device)
        frames = padded.unfold(1, _FFT, HOP)[:, :-1]
        # Faster than torch.stft on a processor, where its frames are strided.
        spectrum = torch.fft.rfft(frames * window)
        energies = (spectrum.real.square() + spectrum.imag.square()) @ filters
        mel = energies.clamp_(min=_FLOOR).log10_().transpose(1, 2)
        lowest = mel.amax(dim=(1, 2), keepdim=True) - 8.0
        silence = lowest.clamp(min=-10.0)
        whole = silence.repeat(1, self._num_mels, num_samples // HOP)
        whole[..., : mel.shape[-1]] = torch.maximum(mel, lowest)
        found: torch.Tensor = whole.add_(4.0).div_(4.0)
        return found

    @functools.lru_cache(maxsize=4)  # noqa: B019  one or two live as long as the process
    def _constants(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        filters = mel_filter_bank(
            num_frequency_bins=_FFT // 2 + 1,
            num_mel_filters=self._num_mels,
            min_frequency=0.0,
            max_frequency=_SAMPLING_RATE_HZ / 2,
            sampling_rate=_SAMPLING_RATE_HZ,
            norm="slaney",
            mel_scale="slaney",
        )
        window = torch.hann_window(_FFT, device=device)
        return window, torch.from_numpy(filters).to(device, torch.float32)
