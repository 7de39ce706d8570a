"""Whisper's encoder over whole windows as one module, for export to other runtimes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import gelu

__all__ = ["WhisperNetwork"]


class WhisperNetwork(torch.nn.Module):
    """Layers of windows of 30 s, all frames of them: what `WhisperSpeechEncoder` trims.

    Args:
        model: transformers' encoder.
        layers: Numbers of the layers to return.
        num_mel_bins: Height of its log-mel.
    """

    def __init__(self, model: Any, layers: Sequence[int], num_mel_bins: int) -> None:
        super().__init__()
        self.model, self.layers = model, list(layers)
        self.input_shape = (num_mel_bins, 2 * int(model.config.max_source_positions))

    def forward(self, log_mel: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return [windows, frames, dim] of each layer, of [windows, mel bins, 2 * frames]."""
        model = self.model
        states = gelu(model.conv2(gelu(model.conv1(log_mel)))).transpose(1, 2)
        states = states + model.embed_positions.weight
        found: dict[int, torch.Tensor] = {}
        for layer, block in enumerate([*model.layers, None]):
            if layer in self.layers:
                found[layer] = states if block is not None else model.layer_norm(states)
            if block is None or layer == max(self.layers):
                break
            states = block(states, None)
        return tuple(found[layer] for layer in self.layers)
