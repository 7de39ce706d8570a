"""Waveforms as a model's own preprocessor makes them: samples, or spectrograms of any kind."""

import functools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tokser.encoders.checkpoint import Checkpoint, quiet_transformers
from tokser.encoders.model_files import reading
from tokser.errors import CheckpointError, list_some

__all__ = ["MAIN_INPUTS", "GenericInputs", "ModelInputs", "join_inputs"]

ModelInputs = dict[str, torch.Tensor]
"""Arguments of a model's forward, a row for each waveform."""
SAMPLING_RATE_HZ = 16_000
MAIN_INPUTS = ("input_values", "input_features")
_MASK = "attention_mask"
_PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
_HOP_S = 0.01
"""Of the spectrogram of preprocessors that state its length in frames (AST)."""


class GenericInputs:
    """The preprocessor of a model folder, for waveforms of 16 kHz.

    A preprocessor that makes inputs of one size, whatever it is given, has a *window*: the longest
    waveform that fits. Longer ones are never handed to it, since it would cut them.

    Args:
        checkpoint: The model folder.

    Raises:
        CheckpointError: The folder has no preprocessor of audio, or its window is unknown.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._extractor = _load(checkpoint)
        self.sampling_rate_hz = int(self._extractor.sampling_rate)
        one, other = (self.of(_noise(samples)) for samples in (8_000, 24_000))
        self.main = next(key for key in MAIN_INPUTS if key in one)
        self.has_fixed_size = one[self.main].shape == other[self.main].shape
        self.window = self._window() if self.has_fixed_size else None

    def of(self, waveform: NDArray[np.float32]) -> ModelInputs:
        """Return the inputs of one waveform, [1, ...] each."""
        if self.sampling_rate_hz != SAMPLING_RATE_HZ:
            waveform = self._resampled(waveform)
        with quiet_transformers():
            made = self._extractor(
                waveform, sampling_rate=self.sampling_rate_hz, return_tensors="pt"
            )
        found = {key: torch.as_tensor(value) for key, value in made.items()}
        if not any(key in found for key in MAIN_INPUTS):
            raise CheckpointError(
                self._checkpoint.folder,
                expected=f"a preprocessor that gives {' or '.join(MAIN_INPUTS)}",
                got=list_some(sorted(found)),
                remedy="Use a model that reads waveforms or spectrograms.",
            )
        return found

    def describe(self) -> dict[str, Any]:
        """Return what decides the inputs, for provenance."""
        settings = {
            key: value
            for key, value in sorted(self._extractor.to_dict().items())
            if isinstance(value, str | int | float | bool) and not key.startswith("_")
        }
        return {"preprocessor": settings, "input": self.main}

    def _resampled(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        from torchaudio.functional import resample

        given = torch.from_numpy(waveform)
        changed: NDArray[np.float32] = resample(
            given, SAMPLING_RATE_HZ, self.sampling_rate_hz
        ).numpy()
        return changed

    def _window(self) -> int:
        """Return the longest waveform that an input of fixed size holds, in samples of 16 kHz."""
        extractor = self._extractor
        samples = getattr(extractor, "nb_max_samples", None) or getattr(
            extractor, "n_samples", None
        )
        frames = getattr(extractor, "max_length", None)
        if samples:
            return int(samples) * SAMPLING_RATE_HZ // self.sampling_rate_hz
        if frames:
            return int(frames * _HOP_S * SAMPLING_RATE_HZ)
        raise CheckpointError(
            self._checkpoint.folder,
            expected="a preprocessor that states how long a recording it takes (nb_max_samples, "
            "n_samples or max_length)",
            got=f"{type(extractor).__name__}, whose inputs all have one size",
            remedy="Use another model, or register an encoder for this one.",
        )


def join_inputs(inputs: list[ModelInputs], main: str, *, takes_mask: bool) -> ModelInputs:
    """Put inputs of several waveforms side by side, zeros after the end of each.

    Args:
        inputs: Of each waveform.
        main: Name of the input that holds samples or spectrograms; time is its second axis.
        takes_mask: Whether the model takes a mask of what is no padding.
    """
    lengths = [one[main].shape[1] for one in inputs]
    if len(set(lengths)) == 1:
        return {key: torch.cat([one[key] for one in inputs]) for key in inputs[0]}
    joined = {
        key: torch.cat([_padded(one[key], max(lengths)) for one in inputs])
        if inputs[0][key].dim() > 1 and inputs[0][key].shape[1] == lengths[0]
        else torch.cat([one[key] for one in inputs])
        for key in inputs[0]
    }
    if takes_mask and _MASK not in joined:
        joined[_MASK] = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return joined


def _padded(tensor: torch.Tensor, length: int) -> torch.Tensor:
    missing = length - tensor.shape[1]
    padding = [0, 0] * (tensor.dim() - 2) + [0, missing]
    return torch.nn.functional.pad(tensor, padding)


def _load(checkpoint: Checkpoint) -> Any:
    from transformers import AutoFeatureExtractor

    folder = checkpoint.folder
    if not any((folder / name).is_file() for name in _PREPROCESSORS):
        raise CheckpointError(
            folder,
            expected=f"{' or '.join(_PREPROCESSORS)}, which state how audio is prepared",
            got=list_some(sorted(entry.name for entry in folder.iterdir())),
            remedy="Copy it from the page where the model was published. A text model needs to be "
            "of one of the families that docs/own-encoder.md lists.",
        )
    with reading(checkpoint, "a preprocessor of audio that transformers can read"):
        with quiet_transformers():
            found = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=False)
        int(found.sampling_rate)
    return found


@functools.cache
def _noise(num_samples: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)
