"""Whisper's encoder: log-mel, padded to 30 s or not at all, trimmed to the frames with audio."""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import gelu
from torch.nn.utils.rnn import pad_sequence
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from tokser.config import ContextName
from tokser.encoders.arithmetic import Arithmetic
from tokser.encoders.base import Activations
from tokser.encoders.batching import near_equal
from tokser.encoders.checkpoint import Checkpoint, load_weights
from tokser.encoders.frames import WHISPER_FRAME_SAMPLES, whisper_frames, windows

__all__ = ["WhisperSpeechEncoder"]

SAMPLING_RATE_HZ = 16_000


class WhisperSpeechEncoder:
    """Any Whisper, from tiny to large-v3 and turbo.

    Its maintainers found that padded input gives the better activations, so every window is
    padded to 30 s; averaging that padding in would drown the speech, so it is trimmed again.
    With the context `fit` nothing is padded: less work by as much as the utterance is shorter
    than 30 s, but other activations.

    Source: report, section 3.1.
    """

    kind: Literal["speech"] = "speech"
    min_samples = 1

    def __init__(
        self, checkpoint: Checkpoint, arithmetic: Arithmetic, context: ContextName = "pad"
    ) -> None:
        self._checkpoint, self._arithmetic, self._context = checkpoint, arithmetic, context
        self.name = checkpoint.name
        self.dim = int(checkpoint.config["d_model"])
        self.num_layers = int(checkpoint.config["encoder_layers"])
        self._max_frames = int(checkpoint.config["max_source_positions"])
        self._window = self._max_frames * WHISPER_FRAME_SAMPLES

    @functools.cached_property
    def _model(self) -> Any:
        prefix = r"(model\.)?encoder\."
        model = load_weights(WhisperEncoder, self._checkpoint, prefix=prefix)
        return self._arithmetic.place(model)

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
            "precision": self._arithmetic.name,
            "sampling_rate_hz": SAMPLING_RATE_HZ,
            "context": self._context,
            "window_s": self._window / SAMPLING_RATE_HZ,
            "trim": "ceil(num_samples / 320)",
        }

    def num_frames(self, num_samples: int) -> int:
        """Frames that hold audio, windows together."""
        return whisper_frames(num_samples)

    def batches(self, num_samples: Sequence[int], batch_seconds: float) -> list[list[int]]:
        """Fill passes in order, windows being padded alike; by near-equal length if they fit."""
        budget = int(batch_seconds * SAMPLING_RATE_HZ)
        if self._context == "fit":
            return near_equal(num_samples, budget)
        batches: list[list[int]] = [[]]
        used = 0
        for position, samples in enumerate(num_samples):
            needed = len(windows(samples, self._window))
            if batches[-1] and (used + needed) * self._window > budget:
                batches.append([])
                used = 0
            batches[-1].append(position)
            used += needed
        return batches

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
        features = [self._features(piece) for piece in pieces]
        with self._arithmetic.forward():
            hidden = self._blocks(features, layers)
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

    def _features(self, piece: NDArray[np.float32]) -> torch.Tensor:
        """Return the log-mel [2 * frames, mels] of one window, in fp32 whatever the precision."""
        whole = "max_length" if self._context == "pad" else "longest"
        mel: torch.Tensor = self._log_mel(
            piece,
            sampling_rate=SAMPLING_RATE_HZ,
            padding=whole,
            pad_to_multiple_of=WHISPER_FRAME_SAMPLES,
            return_tensors="pt",
        ).input_features[0]
        return mel.T

    def _blocks(
        self, features: Sequence[torch.Tensor], layers: Sequence[int]
    ) -> dict[int, NDArray[np.float32]]:
        """Return [windows, frames, dim] per layer, not computing beyond the last that is asked.

        Behind the features stand zeros, which is what the convolutions put behind their input;
        attention masks what comes of them. So neighbours do not matter.
        """
        model, device = self._model, self._arithmetic.device
        frames = torch.tensor([len(mel) // 2 for mel in features], device=device)
        mel = pad_sequence(list(features), batch_first=True).to(device).transpose(1, 2)
        states = gelu(model.conv2(gelu(model.conv1(mel)))).transpose(1, 2)
        positions = torch.arange(states.shape[1], device=device)
        states = states + model.embed_positions.weight[positions]
        mask = None
        if int(frames.min()) < len(positions):
            mask = (positions < frames[:, None])[:, None, None, :]
        hidden = {}
        for layer, block in enumerate([*model.layers, None]):
            if layer in layers:
                found = states if block is not None else model.layer_norm(states)
                hidden[layer] = found.float().cpu().numpy()
            if block is None or layer == max(layers):
                break
            states = block(states, mask)
        return hidden
