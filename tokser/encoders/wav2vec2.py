"""wav2vec 2.0 and what is built like it: frames straight from the waveform."""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    Data2VecAudioModel,
    HubertModel,
    PreTrainedModel,
    Wav2Vec2Model,
    WavLMModel,
)

from tokser.encoders.arithmetic import Arithmetic
from tokser.encoders.base import LAST, Activations, StoredDtype
from tokser.encoders.batch_shapes import group_near_equal
from tokser.encoders.checkpoint import Checkpoint
from tokser.encoders.fetch_activations import DeviceOutput
from tokser.encoders.frames import Span, conv_frames, conv_min_samples, overlapping
from tokser.encoders.model_files import load_normaliser
from tokser.encoders.per_utterance import PerUtterance
from tokser.encoders.upper_blocks import UpperBlocks, WavLMUpperBlocks, require_blocks_above
from tokser.encoders.wavlm_attention import fuse_attention
from tokser.encoders.weights import load_weights

__all__ = ["Wav2Vec2SpeechEncoder"]

SAMPLING_RATE_HZ = 16_000
WINDOW_S, OVERLAP_S = 60, 20
"""Recordings above the first are cut: attention takes memory by the square of their length."""

_CLASSES: dict[str, type[PreTrainedModel]] = {
    "wavlm": WavLMModel,
    "hubert": HubertModel,
    "wav2vec2": Wav2Vec2Model,
    "data2vec-audio": Data2VecAudioModel,
}


class Wav2Vec2SpeechEncoder:
    """WavLM, HuBERT, wav2vec 2.0, XLS-R and data2vec-audio; all layers' outputs, 13 of base.

    The large ones and XLS-R (`do_stable_layer_norm`) end in a LayerNorm: layer L is the last
    block's output before it, L + 1 the model's last hidden state after it.

    Waveforms of near-equal length share a batch: what padding would change (the
    convolutions with their norms) runs on each alone, the blocks between mask it.

    Longer recordings are cut into windows of a minute that overlap by 20 s, of which 10 s are kept
    of either: other activations than at once, but an hour at once takes hundreds of gigabytes.

    Source: paper, section 4.2.
    """

    kind: Literal["speech"] = "speech"

    def __init__(self, checkpoint: Checkpoint, arithmetic: Arithmetic) -> None:
        self._checkpoint, self._arithmetic = checkpoint, arithmetic
        config = checkpoint.config
        self.name = checkpoint.name
        self.dim = int(config["hidden_size"])
        self.num_layers = int(config["num_hidden_layers"])
        self.separate_last = bool(config.get("do_stable_layer_norm", False))
        self._kernels, self._strides = config["conv_kernel"], config["conv_stride"]
        self.min_samples = conv_min_samples(self._kernels, self._strides)
        self._hop = math.prod(self._strides)
        self._normaliser = load_normaliser(checkpoint)

    @functools.cached_property
    def _model(self) -> Any:
        # Masks serve training alone; not every checkpoint has the weights for them.
        unused: dict[str, Any] = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}
        if self._checkpoint.config.get("add_adapter"):  # joins frames, for a decoder
            unused["add_adapter"] = False
        model_class = _CLASSES[self._checkpoint.config["model_type"]]
        model: Any = load_weights(model_class, self._checkpoint, **unused)
        for part in list(model.modules()):
            if parametrize.is_parametrized(part, "weight"):  # weight norm, of frozen weights
                parametrize.remove_parametrizations(part, "weight")
        if isinstance(model, WavLMModel):
            fuse_attention(model)
        model.feature_extractor = PerUtterance(model.feature_extractor, time=2)
        model.encoder.pos_conv_embed = PerUtterance(model.encoder.pos_conv_embed, time=1)
        return self._arithmetic.prepare(model)

    def provenance(self) -> dict[str, Any]:
        """Model, weights and preprocessing."""
        last = {"last_layer": self._two_last_layers} if self.separate_last else {}
        return last | {
            "model": self.name,
            "model_type": self._checkpoint.config["model_type"],
            "revision": self._checkpoint.revision,
            "weights_sha256": self._checkpoint.weights_sha256(),
            "precision": self._arithmetic.name,
            "sampling_rate_hz": SAMPLING_RATE_HZ,
            "normalise_waveform": bool(self._normaliser.do_normalize),
        }

    def provenance_of_long(self, num_samples: int) -> dict[str, Any]:
        """How recordings of more than one window are cut."""
        if len(self._spans(num_samples)) == 1:
            return {}
        return {"window_s": float(WINDOW_S), "window_overlap_s": float(OVERLAP_S)}

    @property
    def _two_last_layers(self) -> str:
        before = f"layer-{self.num_layers} before the final LayerNorm"
        return f"{before}, {LAST} after it (last_hidden_state)"

    def num_frames(self, num_samples: int) -> int:
        """Frames of a waveform, (num_samples - 400) // 320 + 1."""
        return conv_frames(num_samples, self._kernels, self._strides)

    def batches(self, num_samples: Sequence[int], batch_seconds: float) -> list[list[int]]:
        """Group waveforms of near-equal length, within the budget."""
        return group_near_equal(num_samples, int(batch_seconds * SAMPLING_RATE_HZ))

    def encode(
        self, waveforms: Sequence[NDArray[np.float32]], layers: Sequence[int]
    ) -> list[Activations]:
        """Run the model on one batch; waveforms of near-equal length need least padding."""
        return self.forward(self.prepare(waveforms), layers).fetch()

    def prepare(self, inputs: Sequence[NDArray[np.float32]]) -> "Waveforms":
        """Normalise whole waveforms as in training, and pad those of one window together."""
        normalised = [self._normalised(waveform) for waveform in inputs]
        is_long = [len(self._spans(len(waveform))) > 1 for waveform in inputs]
        given = [one for one, long in zip(normalised, is_long, strict=True) if not long]
        pin = self._arithmetic.pin
        return Waveforms(
            pin(pad_sequence(given, True)) if given else None,
            [pin(one) for one, long in zip(normalised, is_long, strict=True) if long],
            [len(waveform) for waveform in inputs],
        )

    def forward(
        self, prepared: "Waveforms", layers: Sequence[int], dtype: StoredDtype = "float32"
    ) -> DeviceOutput:
        """Run the model on all waveforms of one window at once, and on each longer one alone."""
        frames = [self.num_frames(length) for length in prepared.samples]
        spans = [self._spans(length) for length in prepared.samples]
        short = [
            length for length, cuts in zip(prepared.samples, spans, strict=True) if len(cuts) == 1
        ]
        together: dict[int, torch.Tensor] = {}
        if prepared.padded is not None:
            together = self._hidden_states(prepared.padded, short, layers)
        if not prepared.long:
            states = together
        else:
            whole = iter([self._in_windows(waveform, layers) for waveform in prepared.long])
            rows = iter(range(len(short)))
            found = [next(whole) if len(cuts) > 1 else _row(together, next(rows)) for cuts in spans]
            states = {i: pad_sequence([one[i] for one in found], True) for i in layers}
        return DeviceOutput(states, [[(row, count)] for row, count in enumerate(frames)], dtype)

    def upper_blocks(self, first: int) -> UpperBlocks:
        """Return the blocks above a layer, to be trained.

        Raises:
            SettingsError: There are none above it.
        """
        require_blocks_above(self, first)
        encoder = self._model.encoder
        options: dict[str, Any] = {"first": first}
        if self.separate_last:
            options |= {"final_norm": encoder.layer_norm, "norm_is_apart": True}
        blocks = encoder.layers[first:]
        if isinstance(self._model, WavLMModel):
            return WavLMUpperBlocks(encoder.layers[0].attention, blocks, **options)
        return UpperBlocks(blocks, **options)

    def _hidden_states(
        self, padded: torch.Tensor, samples: Sequence[int], layers: Sequence[int]
    ) -> dict[int, torch.Tensor]:
        """Return [waveforms, frames, dim] by layer of a batch of padded waveforms."""
        frames = [self.num_frames(length) for length in samples]
        self._model.feature_extractor.lengths = samples
        self._model.encoder.pos_conv_embed.lengths = frames
        mask = None
        if min(frames) < max(frames):
            mask = torch.arange(padded.shape[1]) < torch.tensor(samples)[:, None]
            mask = self._arithmetic.to_device(mask.long())
        with self._arithmetic.inference():
            output = self._model(
                self._arithmetic.to_device(padded), attention_mask=mask, output_hidden_states=True
            )
        hidden = [*output.hidden_states]
        if self.separate_last:
            hidden.append(output.last_hidden_state)
        return {layer: hidden[layer] for layer in layers}

    def _in_windows(self, waveform: torch.Tensor, layers: Sequence[int]) -> dict[int, torch.Tensor]:
        """Return [frames, dim] by layer of a long waveform, one window after the other."""
        parts: dict[int, list[torch.Tensor]] = {layer: [] for layer in layers}
        for span in self._spans(len(waveform)):
            first = span.first * self._hop
            after = (span.after - 1) * self._hop + self.min_samples
            states = self._hidden_states(waveform[None, first:after], [after - first], layers)
            kept = slice(span.keep_first - span.first, span.keep_after - span.first)
            for layer, found in states.items():
                parts[layer].append(found[0, kept].clone())
        return {layer: torch.cat(rows) for layer, rows in parts.items()}

    def _spans(self, num_samples: int) -> list[Span]:
        per_s = SAMPLING_RATE_HZ / self._hop
        window, overlap = int(WINDOW_S * per_s), int(OVERLAP_S * per_s)
        return overlapping(self.num_frames(num_samples), window, overlap)

    def _normalised(self, waveform: NDArray[np.float32]) -> torch.Tensor:
        inputs = self._normaliser(waveform, sampling_rate=SAMPLING_RATE_HZ, return_tensors="pt")
        values: torch.Tensor = inputs.input_values[0]
        return values


def _row(states: dict[int, torch.Tensor], row: int) -> dict[int, torch.Tensor]:
    return {layer: found[row] for layer, found in states.items()}


class Waveforms(NamedTuple):
    """Waveforms ready for the model."""

    padded: torch.Tensor | None
    """[waveforms, samples] of those of one window, zeros after the end of each."""
    long: list[torch.Tensor]
    """[samples] of each longer one."""
    samples: list[int]
    """Length of each waveform of the batch."""
