"""The feedforward classifier after training, and the linear probe."""

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import torch

from tokser.experiments.heads.losses import Activation
from tokser.experiments.heads.mlp.batched import predict
from tokser.experiments.heads.mlp.model import Parameters
from tokser.experiments.heads.trained_head import TrainedHead

__all__ = ["TrainedMLP"]

_OF_BLOCK = ("weight", "bias", "gain", "shift")
_OF_OUTPUT = ("weight", "bias")


class TrainedMLP(TrainedHead):
    """Blocks of [Linear, LayerNorm, ReLU], a last Linear, and a softmax, sigmoid or number.

    Args:
        parameters: Of one model, each [1, ...], on the CPU.
        activation: What its outputs are read as.
    """

    kind = "mlp"

    def __init__(self, parameters: Parameters, activation: Activation = "softmax") -> None:
        self.parameters, self.activation = parameters, activation

    def outputs(self, values: np.ndarray) -> np.ndarray:
        """Return probabilities, or numbers on the scale of the training part."""
        inputs = torch.from_numpy(values)[None]
        return np.asarray(predict(self.parameters, inputs, self.activation)[0])

    def arrays(self) -> dict[str, np.ndarray]:
        """Return weights [wide, narrow], biases, gains and shifts [narrow] of each block."""
        names = _names(len(self.parameters))
        values = zip(names, (one[0].numpy() for one in self.parameters), strict=True)
        return {name: one if name.endswith("weight") else one[0] for name, one in values}

    def description(self) -> dict[str, Any]:
        """Return the widths: features, blocks, outputs; and what these are, if not a softmax."""
        weights = [*self.parameters[:-2:4], self.parameters[-2]]
        widths = [int(weights[0].shape[1]), *(int(w.shape[2]) for w in weights)]
        usual = self.activation == "softmax"
        return {"widths": widths} | ({} if usual else {"activation": self.activation})

    @classmethod
    def restored(
        cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> "TrainedMLP":
        """Make the head of its description and arrays again."""
        widths = [int(width) for width in description["widths"]]
        names = _names(4 * (len(widths) - 2) + 2)
        if set(names) != set(arrays):
            raise ValueError(f"the arrays {sorted(arrays)}, not {names}")
        parameters = []
        for name in names:
            layer, _, part = name.rpartition("-")
            number = len(widths) - 2 if layer == "output" else int(layer.rpartition("-")[2])
            wide, narrow = widths[number], widths[number + 1]
            shape = (wide, narrow) if part == "weight" else (narrow,)
            if arrays[name].shape != shape or arrays[name].dtype != np.float32:
                raise ValueError(f"{name} of another shape or type than float32 {shape}")
            values = torch.from_numpy(np.array(arrays[name], copy=True))
            parameters.append(values.reshape(1, -1, narrow))
        activation = description.get("activation", "softmax")
        if activation not in get_args(Activation) or (activation == "number" and widths[-1] != 1):
            raise ValueError(f"outputs that are {activation!r}, {widths[-1]} of them")
        return cls(parameters, activation)

    @property
    def num_features(self) -> int:
        """Width of the functionals that it takes."""
        return int(self.parameters[0].shape[1])

    @property
    def num_outputs(self) -> int:
        """Number of classes; 0 where it puts out a number."""
        return 0 if self.activation == "number" else int(self.parameters[-1].shape[2])


def _names(num_parameters: int) -> list[str]:
    blocks = range((num_parameters - 2) // 4)
    inner = [f"block-{number}-{part}" for number in blocks for part in _OF_BLOCK]
    return [*inner, *(f"output-{part}" for part in _OF_OUTPUT)]
