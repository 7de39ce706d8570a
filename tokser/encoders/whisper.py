"""Whisper's encoder: log-mel, padded to 30 s, trimmed to the frames that hold audio."""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from tokser.encoders.base import Activations
from tokser.encoders.checkpoint import Checkpoint, load_weights
from tokser.encoders.frames import WHISPER_FRAME_SAMPLES, whisper_frames, windows

__all__ = ["WhisperSpeechEncoder"]

SAMPLING_RATE_HZ = 16_000


class WhisperSpeechEncoder:
    """Any Whisper, from tiny to large-v3.

    Its maintainers found that padded input gives the better activations, so every window is
    padded to 30 s; averaging that padding in would drown the speech, so it is trimmed again.

    Source: report, section 3.1.
    """

    kind: Literal["speech"] = "speech"
    min_samples = 1

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self._checkpoint, self._device = checkpoint, device
        self.name = checkpoint.name
        self.dim = int(checkpoint.config["d_model"])
        self.num_layers = int(checkpoint.config["encoder_layers"])
        self._max_frames = int(checkpoint.config["max_source_positions"])
        self._window = self._max_frames * WHISPER_FRAME_SAMPLES

    @functools.cached_property
    def _model(self) -> WhisperEncoder:
        prefix = r"(model\.)?encoder\."
        return load_weights(WhisperEncoder, self._checkpoint, self._device, prefix=prefix)

    @functools.cached_property
    def _log_mel(self) -> WhisperFeatureExtractor:
        return WhisperFeatureExtractor(
            feature_size=int(self._checkpoint.config["num_mel_bins"]),
            chunk_length=self._window // SAMPLING_RATE_HZ,
        )

    def provenance(self) -> dict[str, Any]:
        """Model, weights and preprocessing."""
        return {
            "model": self.name,
            "model_type": "whisper",
            "revision": self._checkpoint.revision,
            "weights_sha256": self._checkpoint.weights_sha256(),
            "precision": "float32",
            "sampling_rate_hz": SAMPLING_RATE_HZ,
            "context": "pad",
            "window_s": self._window / SAMPLING_RATE_HZ,
            "trim": "ceil(num_samples / 320)",
        }

    def num_frames(self, num_samples: int) -> int:
        """Frames that hold audio, windows together."""
        return whisper_frames(num_samples)

    def batches(self, num_samples: Sequence[int], batch_seconds: float) -> list[list[int]]:
        """Fill passes in order; whatever their length, all windows are padded alike."""
        budget = max(1, int(batch_seconds * SAMPLING_RATE_HZ / self._window))
        batches: list[list[int]] = [[]]
        used = 0
        for position, samples in enumerate(num_samples):
            needed = len(windows(samples, self._window))
            if batches[-1] and used + needed > budget:
                batches.append([])
                used = 0
            batches[-1].append(position)
            used += needed
        return batches

    @torch.inference_mode()
    def encode(
        self, waveforms: Sequence[NDArray[np.float32]], layers: Sequence[int]
    ) -> list[Activations]:
        """Run one forward pass over all windows of the waveforms.

        Returns:
            [ceil(num_samples / 320), dim] per layer, for each waveform.
        """
        spans = [windows(len(waveform), self._window) for waveform in waveforms]
        pieces = [
            waveform[first:after]
            for waveform, cuts in zip(waveforms, spans, strict=True)
            for first, after in cuts
        ]
        mel = self._log_mel(pieces, sampling_rate=SAMPLING_RATE_HZ, return_tensors="pt")
        output = self._model(
            mel.input_features.to(self._device, torch.float32), output_hidden_states=True
        )
        hidden = {layer: output.hidden_states[layer].cpu().numpy() for layer in layers}
        results: list[Activations] = []
        window = 0
        for cuts in spans:
            frames = [
                (window + i, whisper_frames(after - first)) for i, (first, after) in enumerate(cuts)
            ]
            results.append(
                {
                    layer: np.concatenate([states[row, :count] for row, count in frames])
                    for layer, states in hidden.items()
                }
            )
            window += len(cuts)
        return results
