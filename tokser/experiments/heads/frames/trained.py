"""Heads over frames after training."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tokser.config.frame_heads import FrameHeadSettings
from tokser.experiments.frames import FrameBatch
from tokser.experiments.heads.frames.model import FrameModel, PooledScaling, TermShape, no_dropout
from tokser.experiments.heads.frames.pooling import Pooling
from tokser.experiments.heads.frames.training import FrameWeights
from tokser.experiments.heads.trained_head import TrainedHead
from tokser.functionals.standardise import Standardiser

__all__ = ["TrainedFrameHead"]

_SCALING = ("pooled.centre", "pooled.inverse")
_KEPT_OPTIONS = ("attention_heads", "blocks", "layer_norm")


class TrainedFrameHead(TrainedHead):
    """A mix of layers, a pooling of frames, a last Linear, and a softmax or a number.

    Args:
        model: The function.
        weights: What it has learnt.
    """

    pooling: ClassVar[Pooling]

    def __init__(self, model: FrameModel, weights: FrameWeights) -> None:
        self.model, self.weights = model, weights

    @property
    def reads_frames(self) -> bool:
        """Whether pooled means do not suffice."""
        return not self.pooling.takes_means

    def outputs(self, values: np.ndarray) -> np.ndarray:
        """Return probabilities or numbers, where an utterance's mean stands for its frames.

        Args:
            values: Standardised means of all layers of all terms side by side,
                [utterances, features].
        """
        if self.reads_frames:
            raise TypeError(f"{self.kind} reads frames, and no functionals")
        batches, first = [], 0
        for term in self.model.terms:
            own = values[:, first : first + term.num_layers * term.dim]
            first += own.shape[1]
            layers = own.reshape(len(own), term.num_layers, term.dim).transpose(1, 0, 2)
            rows = torch.from_numpy(np.ascontiguousarray(layers, dtype=np.float32))
            batches.append(FrameBatch(rows, (1,) * len(own)))
        return self.frame_outputs(batches)

    def frame_outputs(self, batches: Sequence[FrameBatch]) -> np.ndarray:
        """Return probabilities, [utterances, classes], or numbers, [utterances].

        Args:
            batches: Standardised frames of the same utterances, by term.
        """
        weights = self.weights
        with torch.inference_mode():
            found = self.model.forward(weights.parameters, batches, weights.scaling, no_dropout)
            is_number = not self.num_outputs
            outputs = found[..., 0] if is_number else found.softmax(dim=-1)
        return np.asarray(outputs.mean(dim=0).cpu().numpy())

    def standardised(
        self, scaling: Standardiser, batches: Sequence[FrameBatch]
    ) -> list[FrameBatch]:
        """Return frames scaled as those of the training part were.

        Args:
            scaling: Of all layers of all terms, one after the other, [features].
            batches: By term, changed in place.
        """
        from tokser.experiments.frames import FrameScaling

        found, first = [], 0
        for term, batch in zip(self.model.terms, batches, strict=True):
            own = slice(first, first + term.num_layers * term.dim)
            first = own.stop
            shape = (term.num_layers, term.dim)
            scales = FrameScaling(
                scaling.mean[own].reshape(shape), scaling.scale[own].reshape(shape)
            )
            found.append(scales.apply(batch))
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all parameters, [networks, ...], and what pooled vectors are scaled by."""
        found = {name: values.numpy() for name, values in self.weights.parameters.items()}
        scaling = self.weights.scaling
        if scaling is not None:
            kept = (scaling.centre.numpy(), scaling.inverse.numpy())
            found |= dict(zip(_SCALING, kept, strict=True))
        return found

    def description(self) -> dict[str, Any]:
        """Return layers and width of each term, the number of outputs, and options."""
        options = self.model.options.model_dump()
        return {
            "terms": [[term.num_layers, term.dim] for term in self.model.terms],
            "num_outputs": self.num_outputs,
            "options": {name: options[name] for name in _KEPT_OPTIONS},
        }

    @classmethod
    def restored(
        cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> "TrainedFrameHead":
        """Make the head of its description and arrays again."""
        terms = tuple(TermShape(int(layers), int(dim)) for layers, dim in description["terms"])
        options = FrameHeadSettings.model_validate(description["options"])
        num_outputs = int(description["num_outputs"])
        model = FrameModel(cls.pooling, terms, num_outputs or 1, options)
        wanted = {name: tuple(values.shape[1:]) for name, values in model.draw((0,)).items()}
        if cls.pooling.scales_pooled:
            wanted |= dict.fromkeys(_SCALING, (1, model.width))
        if set(wanted) != set(arrays):
            raise ValueError(f"the arrays {sorted(arrays)}, not {sorted(wanted)}")
        networks = len(arrays["output.weight"])
        for name, shape in wanted.items():
            if arrays[name].shape != (networks, *shape) or arrays[name].dtype != np.float32:
                raise ValueError(f"{name} of another shape or type than float32 {shape}")
        tensors = {name: torch.from_numpy(np.array(arrays[name], copy=True)) for name in wanted}
        return cls(model, _weights(tensors, is_number=not num_outputs))

    @property
    def num_features(self) -> int:
        """Numbers in a frame of all layers of all terms."""
        return sum(term.num_layers * term.dim for term in self.model.terms)

    @property
    def num_outputs(self) -> int:
        """Number of classes; 0 where it puts out numbers."""
        return 0 if self.weights.is_number else self.model.num_outputs


def _weights(tensors: dict[str, Tensor], *, is_number: bool) -> FrameWeights:
    scaling = None
    if _SCALING[0] in tensors:
        scaling = PooledScaling(*(tensors.pop(name) for name in _SCALING))
    return FrameWeights(tensors, scaling, is_number)
