"""Any speech model of transformers that gives hidden states, and these as rows over time."""

import inspect
from typing import Any

import torch

from tokser.encoders.arithmetic import Arithmetic
from tokser.encoders.checkpoint import Checkpoint
from tokser.encoders.generic_inputs import ModelInputs
from tokser.encoders.model_files import reading
from tokser.encoders.weights import load_weights
from tokser.errors import CheckpointError

__all__ = ["GenericModel"]

_PARTS: dict[str, tuple[str, str]] = {
    "clap": ("ClapAudioModel", r"audio_model\."),
    "clap_audio_model": ("ClapAudioModel", ""),
}
"""Class of the part that hears, and the prefix of its weights, of models of sound and text."""
_IN_TRAINING_ALONE = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}


class GenericModel:
    """A frozen model, and the rows [waveforms, rows, dim] of each of its layers.

    Layers are the hidden states, if they have the rows and the width of the last one; else there
    is only that. Patches of a spectrogram (AST, CLAP) are averaged over frequency: a row is a
    column of them, and tokens that stand for no column are left out.

    Args:
        checkpoint: The model folder.
        arithmetic: Where it computes, in which type.

    Raises:
        CheckpointError: transformers has no such model, it gives no hidden states, or a weight is
            missing.
    """

    def __init__(self, checkpoint: Checkpoint, arithmetic: Arithmetic) -> None:
        self._checkpoint, self._arithmetic = checkpoint, arithmetic
        self._config = checkpoint.config
        model = _load(checkpoint)
        self._model = arithmetic.prepare(model)
        names = inspect.signature(model.forward).parameters
        self._takes = set(names)
        self.takes_mask = "attention_mask" in names
        self.has_all_layers = self.last_is_apart = False

    def find_layers(self, inputs: ModelInputs) -> list[torch.Tensor]:
        """Find out which layers there are, and return their rows as `layers` does.

        Raises:
            CheckpointError: There are no hidden states.
        """
        hidden, rows = self._forward(inputs)
        self.has_all_layers = bool(hidden) and all(one.shape == rows.shape for one in hidden)
        self.last_is_apart = self.has_all_layers and not torch.equal(hidden[-1], rows)
        return self._chosen(hidden, rows)

    def layers(self, inputs: ModelInputs) -> list[torch.Tensor]:
        """Return the rows of every layer, [waveforms, rows, dim] each, the last hidden state last.

        Raises:
            CheckpointError: There are no hidden states.
        """
        return self._chosen(*self._forward(inputs))

    def _chosen(self, hidden: list[torch.Tensor], rows: torch.Tensor) -> list[torch.Tensor]:
        if not self.has_all_layers:
            return [rows]
        return [*hidden, rows] if self.last_is_apart else hidden

    def _forward(self, inputs: ModelInputs) -> tuple[list[torch.Tensor], torch.Tensor]:
        given = {
            key: self._arithmetic.to_device(value)
            for key, value in inputs.items()
            if key in self._takes
        }
        try:
            with self._arithmetic.inference():
                output = self._model(**given, output_hidden_states=True)
        except TypeError as error:  # a forward without this argument
            raise self._no_hidden_states(f"a forward that fails: {error}") from error
        last = getattr(output, "last_hidden_state", None)
        if not isinstance(last, torch.Tensor):
            raise self._no_hidden_states(f"outputs named {', '.join(map(str, output.keys()))}")
        if last.dim() not in (3, 4):
            raise self._no_hidden_states(f"one of shape {tuple(last.shape)}")
        hidden = getattr(output, "hidden_states", None) or ()
        alike = all(state.shape == last.shape for state in hidden)
        return [self._over_time(state) for state in hidden if alike], self._over_time(last)

    def _over_time(self, states: torch.Tensor) -> torch.Tensor:
        """Return hidden states as [waveforms, rows, dim], with a row for each step of time."""
        if states.dim() == 4:  # [waveforms, dim, frequency, time], CLAP
            over_frequency: torch.Tensor = states.mean(dim=2)
            return over_frequency.transpose(1, 2)
        if self._config["model_type"] != "audio-spectrogram-transformer":
            return states
        size, config = int(self._config["patch_size"]), self._config
        bands = (int(config["num_mel_bins"]) - size) // int(config["frequency_stride"]) + 1
        columns = (int(config["max_length"]) - size) // int(config["time_stride"]) + 1
        patches = states[:, states.shape[1] - bands * columns :]  # without [CLS] and [DIST]
        grid: torch.Tensor = patches.unflatten(1, (bands, columns))
        return grid.mean(dim=1)

    def _no_hidden_states(self, got: str) -> CheckpointError:
        return CheckpointError(
            self._checkpoint.folder,
            expected="a speech model that gives hidden states over time (last_hidden_state)",
            got=f"{type(self._model).__name__}, with {got}",
            remedy="Use a model with an encoder, or register an encoder for this one.",
        )


def _load(checkpoint: Checkpoint) -> Any:
    import transformers
    from transformers import CONFIG_MAPPING, MODEL_MAPPING

    model_type = str(checkpoint.config["model_type"])
    part, prefix = _PARTS.get(model_type, ("", ""))
    with reading(checkpoint, "a model that transformers can build"):
        model_class: Any = (
            getattr(transformers, part)
            if part
            else MODEL_MAPPING.get(CONFIG_MAPPING[model_type], None)
        )
    if model_class is None:
        raise CheckpointError(
            checkpoint.folder,
            expected="a model of transformers that gives hidden states",
            got=f"model_type {model_type!r}, which has none",
            remedy="Use another model, or register an encoder for this one.",
        )
    unused = {key: v for key, v in _IN_TRAINING_ALONE.items() if key in checkpoint.config}
    model: Any = load_weights(model_class, checkpoint, prefix=prefix, **unused)
    if getattr(model.config, "is_encoder_decoder", False):
        return model.get_encoder()
    return model
