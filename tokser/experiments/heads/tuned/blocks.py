"""The upper blocks of an encoder as experiments take them: a plain module, and the layers' names.

Experiments import no encoder: what makes these is the stage.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tokser.errors import SettingsError

__all__ = ["EncoderBlocks", "block_depths", "trained_parameters"]


@dataclass(frozen=True)
class EncoderBlocks:
    """Blocks k + 1 to L of an encoder, untouched.

    Attributes:
        module: A torch module. Its `ragged(rows, lengths)` returns the rows of every layer above k,
            its `layers` are their numbers, and with `saves_memory` it computes blocks again in the
            backward pass instead of keeping what they computed.
        source: Name of the feature that they start from, layer k.
        names: Name of each layer within its group, such as `layer-6`, by number.
        weights_sha256: Digest of the encoder's weights.
    """

    module: Any
    source: str
    names: Mapping[int, str]
    weights_sha256: str

    @property
    def first(self) -> int:
        """K."""
        return int(self.module.first)

    @property
    def last(self) -> int:
        """Number of the last layer."""
        return int(self.module.layers[-1])

    def feature(self, layer: int) -> str:
        """Return the name of a layer as a feature of the encoder that made the store."""
        if layer == self.first:
            return self.source
        return f"{self.source.rpartition('/')[0]}/{self.names[layer]}"

    def identity(self) -> dict[str, str]:
        """Return what tells these blocks from others."""
        return {"blocks of the encoder": self.weights_sha256}

    def copied(self) -> Any:
        """Return a copy of the module, to be trained."""
        return copy.deepcopy(self.module)

    def with_weights(self, weights: Mapping[str, Tensor]) -> Any:
        """Return a copy of the module with other weights, in evaluation mode.

        Args:
            weights: By the names of `trained_parameters`; what is not named stays.

        Raises:
            SettingsError: A name or a shape is not one of these blocks.
        """
        module = self.copied().eval().requires_grad_(False)
        own = dict(module.named_parameters())
        unlike = [
            name
            for name, values in weights.items()
            if name not in own or own[name].shape != values.shape
        ]
        if unlike:
            raise SettingsError(
                self.source,
                expected="blocks that have the weights of the checkpoint",
                got=f"others, without {unlike[0]}",
                remedy="Name the encoder and the layer that the checkpoint was tuned from.",
            )
        for name, values in weights.items():
            own[name].data.copy_(values)
        return module


def trained_parameters(module: Any) -> dict[str, Tensor]:
    """Return the parameters of a module that are trained, by name."""
    return {name: own for name, own in module.named_parameters() if own.requires_grad}


def block_depths(module: Any) -> dict[str, int]:
    """Return how far below the last block each parameter lies: 0 for the last one and its norm."""
    num_blocks = len(module.blocks)
    depths = {}
    for name, _ in module.named_parameters():
        parts = name.split(".")
        is_block = parts[0] == "blocks" and parts[1].isdigit()
        depths[name] = num_blocks - 1 - int(parts[1]) if is_block else 0
    return depths
