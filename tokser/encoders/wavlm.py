"""WavLM: frames straight from the waveform, no padding, so nothing depends on neighbours."""

import functools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Wav2Vec2FeatureExtractor, WavLMModel

from tokser.encoders.base import Activations
from tokser.encoders.checkpoint import Checkpoint, load_weights
from tokser.encoders.frames import conv_frames, conv_min_samples
from tokser.errors import CheckpointError

__all__ = ["WavLMSpeechEncoder"]

SAMPLING_RATE_HZ = 16_000


class WavLMSpeechEncoder:
    """WavLM base, base+ and large; all layers' outputs, 13 of base.

    The base models normalise over time (group norm), so padding would change every frame:
    only waveforms of equal length share a forward pass.

    Source: report, section 4.2.
    """

    kind: Literal["speech"] = "speech"

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        self._checkpoint, self._device = checkpoint, device
        if not (checkpoint.folder / "preprocessor_config.json").is_file():
            raise CheckpointError(
                checkpoint.folder,
                expected="preprocessor_config.json, which says whether waveforms are normalised",
                got="none",
                remedy="Copy it from where the model was published.",
            )
        config = checkpoint.config
        self.name = checkpoint.name
        self.dim = int(config["hidden_size"])
        self.num_layers = int(config["num_hidden_layers"])
        self._kernels, self._strides = config["conv_kernel"], config["conv_stride"]
        self.min_samples = conv_min_samples(self._kernels, self._strides)

    @functools.cached_property
    def _model(self) -> WavLMModel:
        return load_weights(WavLMModel, self._checkpoint, self._device)

    @functools.cached_property
    def _normaliser(self) -> Wav2Vec2FeatureExtractor:
        return Wav2Vec2FeatureExtractor.from_pretrained(self._checkpoint.folder)

    def provenance(self) -> dict[str, Any]:
        """Model, weights and preprocessing."""
        return {
            "model": self.name,
            "model_type": "wavlm",
            "revision": self._checkpoint.revision,
            "weights_sha256": self._checkpoint.weights_sha256(),
            "precision": "float32",
            "sampling_rate_hz": SAMPLING_RATE_HZ,
            "normalise_waveform": bool(self._normaliser.do_normalize),
        }

    def num_frames(self, num_samples: int) -> int:
        """Frames of a waveform, (num_samples - 400) // 320 + 1."""
        return conv_frames(num_samples, self._kernels, self._strides)

    def batches(self, num_samples: Sequence[int], batch_seconds: float) -> list[list[int]]:
        """Group waveforms of equal length, within the budget."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for position, samples in enumerate(num_samples):
            by_length[samples].append(position)
        batches = []
        for samples, positions in sorted(by_length.items()):
            size = max(1, int(batch_seconds * SAMPLING_RATE_HZ / max(samples, 1)))
            batches += [positions[i : i + size] for i in range(0, len(positions), size)]
        return batches

    @torch.inference_mode()
    def encode(
        self, waveforms: Sequence[NDArray[np.float32]], layers: Sequence[int]
    ) -> list[Activations]:
        """Run one forward pass; all waveforms must have the same length."""
        inputs = self._normaliser(
            list(waveforms), sampling_rate=SAMPLING_RATE_HZ, return_tensors="pt"
        )
        output = self._model(inputs.input_values.to(self._device), output_hidden_states=True)
        hidden = {layer: output.hidden_states[layer].cpu().numpy() for layer in layers}
        return [
            {layer: states[row] for layer, states in hidden.items()}
            for row in range(len(waveforms))
        ]
