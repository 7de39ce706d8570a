"""Whisper's encoder: log-mel, padded to 30 s or not at all, trimmed to the frames with audio."""

import functools
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import gelu, scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from tokser.config import ContextName
from tokser.encoders.arithmetic import Arithmetic
from tokser.encoders.base import Activations, StoredDtype
from tokser.encoders.batch_shapes import group_near_equal
from tokser.encoders.checkpoint import Checkpoint
from tokser.encoders.fetch_activations import DeviceOutput
from tokser.encoders.frames import WHISPER_FRAME_SAMPLES, whisper_frames, windows
from tokser.encoders.log_mel import HOP, LogMel
from tokser.encoders.upper_blocks import UpperBlocks, require_blocks_above
from tokser.encoders.weights import load_weights
from tokser.encoders.whisper_network import WhisperNetwork
from tokser.errors import SettingsError

__all__ = ["WhisperSpeechEncoder"]

SAMPLING_RATE_HZ = 16_000


class WhisperSpeechEncoder:
    """Any Whisper, from tiny to large-v3 and turbo.

    Its maintainers found that padded input gives the better activations, so every window is
    padded to 30 s; averaging that padding in would drown the speech, so it is trimmed again.
    Its final LayerNorm is part of layer L, which is the model's last hidden state.
    With the context `fit` nothing is padded: less work by as much as the utterance is shorter
    than 30 s, but other activations.

    Source: paper, section 3.1.
    """

    kind: Literal["speech"] = "speech"
    separate_last = False
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

    def takes_threads(self) -> bool:
        """Load the weights, and return whether threads may compute a batch each at a time."""
        return self._model is not None and self._arithmetic.device.type == "cpu"

    @functools.cached_property
    def _model(self) -> Any:
        prefix = r"(model\.)?encoder\."
        model = load_weights(WhisperEncoder, self._checkpoint, prefix=prefix)
        return self._arithmetic.prepare(model)

    @functools.cached_property
    def _log_mel(self) -> LogMel:
        return LogMel(int(self._checkpoint.config["num_mel_bins"]))

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

    def provenance_of_long(self, num_samples: int) -> dict[str, Any]:
        """Nothing: `window_s` stands in every provenance."""
        return {}

    def num_frames(self, num_samples: int) -> int:
        """Frames that hold audio, windows together."""
        return whisper_frames(num_samples)

    def batches(self, num_samples: Sequence[int], batch_seconds: float) -> list[list[int]]:
        """Fill batches in order if windows are padded; with `fit`, by near-equal length."""
        budget = int(batch_seconds * SAMPLING_RATE_HZ)
        if self._context == "fit":
            return group_near_equal(num_samples, budget)
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
        """Run the model on all windows of the waveforms.

        Returns:
            [ceil(num_samples / 320), dim] per layer, for each waveform.
        """
        return self.forward(self.prepare(waveforms), layers).fetch()

    def prepare(self, inputs: Sequence[NDArray[np.float32]]) -> "Windows":
        """Cut waveforms into windows; on a CPU their log-mel is taken, a GPU does it itself."""
        spans = [windows(len(waveform), self._window) for waveform in inputs]
        pieces = [
            torch.from_numpy(waveform[first:after])
            for waveform, cuts in zip(inputs, spans, strict=True)
            for first, after in cuts
        ]
        audible = [whisper_frames(len(piece)) for piece in pieces]
        frames = [self._max_frames] * len(pieces) if self._context == "pad" else audible
        on_cpu = self._arithmetic.device.type == "cpu"
        given = self._mel_of_each(pieces, frames) if on_cpu else pad_sequence(pieces, True)
        samples, counts = [len(piece) for piece in pieces], [len(cuts) for cuts in spans]
        return Windows(self._arithmetic.pin(given), samples, frames, audible, counts)

    def forward(
        self, prepared: "Windows", layers: Sequence[int], dtype: StoredDtype = "float32"
    ) -> DeviceOutput:
        """Run the model on a batch of windows."""
        given = self._arithmetic.to_device(prepared.given)
        if self._arithmetic.device.type != "cpu":
            given = self._mel_on_device(given, prepared)
        with self._arithmetic.inference():
            states = self._blocks(given, prepared, layers)
        numbered = iter(enumerate(prepared.audible))
        cuts = [[next(numbered) for _ in range(count)] for count in prepared.num_windows]
        return DeviceOutput(states, cuts, dtype)

    def network(self, layers: Sequence[int]) -> WhisperNetwork:
        """Return what computes layers of windows of 30 s, as a module that can be exported."""
        return WhisperNetwork(self._model, layers, int(self._checkpoint.config["num_mel_bins"]))

    def upper_blocks(self, first: int) -> UpperBlocks:
        """Return the blocks above a layer, to be trained; each window is a sequence of its own.

        Raises:
            SettingsError: There are none above it, or the context is `pad`: its blocks attend to
                30 s of padding, which stores trim.
        """
        require_blocks_above(self, first)
        if self._context == "pad":
            raise SettingsError(
                f"{self.name}/layer-{first}",
                expected="activations of the context fit, which the blocks above can start from",
                got="those of the context pad: the blocks attend to the 30 s of padding that "
                "stores trim",
                remedy="Extract with `--context fit` into another store.",
            )
        model = self._model
        return UpperBlocks(
            model.layers[first:],
            first=first,
            final_norm=model.layer_norm,
            max_rows=self._max_frames,
        )

    def _mel_of_each(self, pieces: Sequence[torch.Tensor], frames: Sequence[int]) -> torch.Tensor:
        mels = [
            self._log_mel(piece[None], 2 * HOP * count)[0].T
            for piece, count in zip(pieces, frames, strict=True)
        ]
        return pad_sequence(mels, batch_first=True).transpose(1, 2)

    def _mel_on_device(self, waveforms: torch.Tensor, given: "Windows") -> torch.Tensor:
        with torch.inference_mode():
            if self._context == "pad":
                return self._log_mel(waveforms, 2 * HOP * self._max_frames)
            rows = zip(waveforms, given.samples, strict=True)
            return self._mel_of_each([row[:length] for row, length in rows], given.frames)

    def _blocks(
        self, mel: torch.Tensor, given: "Windows", layers: Sequence[int]
    ) -> dict[int, torch.Tensor]:
        """Return [windows, frames, dim] per layer, computing no block above the last requested.

        The features are followed by zeros, which is what the convolutions pad their input with;
        attention masks the frames that come from them. So an utterance's activations do not
        depend on the others of its batch. Only the last block skips frames without audio, so they
        do not depend on the requested layers either.
        """
        model = self._model
        states = gelu(model.conv2(gelu(model.conv1(mel)))).transpose(1, 2)
        positions = torch.arange(states.shape[1])
        states = states + model.embed_positions.weight[: states.shape[1]]
        mask = None
        if min(given.frames) < len(positions):
            mask = (positions < torch.tensor(given.frames)[:, None])[:, None, None, :]
            mask = self._arithmetic.to_device(mask)
        audible, last = max(given.audible), max(layers)
        hidden = {}
        for layer, block in enumerate([*model.layers, None]):
            if layer in layers:
                found = states[:, :audible]
                hidden[layer] = found if block is not None else model.layer_norm(found)
            if block is None or layer == last:
                break
            is_last = layer + 1 == len(model.layers)
            states = _attend(block, states, mask, audible) if is_last else block(states, mask)
        return hidden


class Windows(NamedTuple):
    """Windows of waveforms, ready for the model."""

    given: torch.Tensor
    """[windows, mels, 2 * frames] on a CPU, [windows, samples] for other devices."""
    samples: list[int]
    """Length of each window's audio."""
    frames: list[int]
    """Frames of each window that its blocks see."""
    audible: list[int]
    """Frames of each window that hold audio."""
    num_windows: list[int]
    """Windows of each waveform."""


def _attend(
    block: Any, states: torch.Tensor, mask: torch.Tensor | None, count: int
) -> torch.Tensor:
    """Return the first `count` frames of what a block gives, computing no others.

    Nothing reads the padding's frames of the last block, and they are most of a short utterance.
    """
    attention = block.self_attn
    normed = block.self_attn_layer_norm(states)

    def heads(projected: torch.Tensor) -> torch.Tensor:
        split: torch.Tensor = projected.unflatten(-1, (attention.num_heads, -1))
        return split.transpose(1, 2)

    query = heads(attention.q_proj(normed[:, :count]))
    key, value = heads(attention.k_proj(normed)), heads(attention.v_proj(normed))
    mixed = scaled_dot_product_attention(query, key, value, mask, scale=attention.scaling)
    short = states[:, :count] + attention.out_proj(mixed.transpose(1, 2).flatten(2))
    inner = block.activation_fn(block.fc1(block.final_layer_norm(short)))
    found: torch.Tensor = short + block.fc2(inner)
    return found
