"""SUPERB's head for emotion recognition: a linear map of mixed layers, averaged over frames."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokser.config.frame_heads import FrameHeadSettings
from tokser.experiments.heads.frames.pooling import Dropout, Parameters, Pooling, draw_linear
from tokser.experiments.heads.frames.ragged import linear, segment_means
from tokser.experiments.heads.frames.trained import TrainedFrameHead

__all__ = ["SuperbPooling", "TrainedSuperb"]

HIDDEN = 256
"""Units of the projection."""


class SuperbPooling(Pooling):
    """`superb`: p = mean_t(x_t W + b).

    Nothing between the mix of layers and the mean is nonlinear, so
    mean_t(sum_l s_l x_lt W + b) = sum_l s_l mean_t(x_lt) W + b: pooled means give the same numbers
    as frames, in a hundredth of the work.

    Source: SUPERB (Yang et al. 2021), s3prl `downstream/emotion`: Featurizer, Linear 256, mean
    pooling, Linear. Departs: layers are standardised by the frames of the training part.
    """

    takes_means = True

    def width(self, dim: int, options: FrameHeadSettings) -> int:
        """Return the units of the projection."""
        return HIDDEN

    def draw(
        self, dim: int, options: FrameHeadSettings, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw W and b."""
        return draw_linear("projection", dim, HIDDEN, generator)

    def pool(
        self,
        parameters: Parameters,
        rows: Float[Tensor, "shared rows dim"],
        lengths: Sequence[int],
        options: FrameHeadSettings,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch width"]:
        """Return means of projected frames."""
        weight, bias = parameters["projection.weight"], parameters["projection.bias"]
        return segment_means(linear(rows, weight, bias), lengths)


class TrainedSuperb(TrainedFrameHead):
    """The head `superb` after training."""

    kind = "superb"
    pooling = SuperbPooling()
