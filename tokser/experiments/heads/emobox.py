"""The head of EmoBox and emotion2vec: a rectified linear layer on frames, averaged."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokser.config.frame_heads import FrameHeadSettings
from tokser.experiments.heads.frames.pooling import Dropout, Parameters, Pooling, draw_linear
from tokser.experiments.heads.frames.ragged import linear, segment_means
from tokser.experiments.heads.frames.trained import TrainedFrameHead

__all__ = ["EmoBoxPooling", "TrainedEmoBox"]

HIDDEN = 256
"""Units of the layer on frames."""


class EmoBoxPooling(Pooling):
    """`emobox`: p = mean_t(relu(x_t W + b)).

    Source: EmoBox (Ma et al. 2024) and emotion2vec (Ma et al. 2024), downstream model: Linear and
    ReLU on frames, mean over them, Linear.
    """

    def width(self, dim: int, options: FrameHeadSettings) -> int:
        """Return the units of the layer on frames."""
        return HIDDEN

    def draw(
        self, dim: int, options: FrameHeadSettings, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw W and b."""
        return draw_linear("frames", dim, HIDDEN, generator)

    def pool(
        self,
        parameters: Parameters,
        rows: Float[Tensor, "shared rows dim"],
        lengths: Sequence[int],
        options: FrameHeadSettings,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch width"]:
        """Return means of rectified frames."""
        hidden = linear(rows, parameters["frames.weight"], parameters["frames.bias"])
        return segment_means(hidden.relu(), lengths)


class TrainedEmoBox(TrainedFrameHead):
    """The head `emobox` after training."""

    kind = "emobox"
    pooling = EmoBoxPooling()
