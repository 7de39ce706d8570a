"""Means over frames of one linear layer: what `superb` and `emobox` share."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from tokser.config.frame_heads import FrameHeadSettings
from tokser.experiments.heads.frames.pooling import (
    Dropout,
    Parameters,
    Pooling,
    draw_linear,
    products_of,
)
from tokser.experiments.heads.frames.ragged import linear, segment_means
from tokser.experiments.heads.frames.rectified_means import rectified_means

__all__ = ["ProjectedMeans"]

HIDDEN = 256
"""Units of the layer."""


class ProjectedMeans(Pooling):
    """p = mean_t(f(x_t W + b)), where f is the identity or the rectifier.

    Attributes:
        layer: Name of the layer, first part of the names of its parameters.
        is_rectified: Whether f is the rectifier.
    """

    shares_products = True
    layer: ClassVar[str]
    is_rectified: ClassVar[bool] = False

    def width(self, dim: int, options: FrameHeadSettings) -> int:
        """Return the units of the layer."""
        return HIDDEN

    def draw(
        self, dim: int, options: FrameHeadSettings, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw W and b."""
        return draw_linear(self.layer, dim, HIDDEN, generator)

    def pool(
        self,
        parameters: Parameters,
        rows: Float[Tensor, "shared rows dim"],
        lengths: Sequence[int],
        options: FrameHeadSettings,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch width"]:
        """Return means of what the layer makes of frames."""
        weight, bias = parameters[f"{self.layer}.weight"], parameters[f"{self.layer}.bias"]
        if self.is_rectified:
            return rectified_means(rows, weight, bias, lengths, products_of(options))
        return segment_means(linear(rows, weight, bias), lengths)
