"""Mean and standard deviation of frames, and one linear layer: the usual functionals as a head."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokser.config.frame_heads import FrameHeadSettings
from tokser.experiments.heads.frames.pooling import Dropout, Parameters, Pooling
from tokser.experiments.heads.frames.ragged import LEAST_VARIANCE, segment_means
from tokser.experiments.heads.frames.trained import TrainedFrameHead

__all__ = ["MeanStdPooling", "TrainedMeanStd"]


class MeanStdPooling(Pooling):
    """`mean-std`: p = [mu, sigma] over frames, each scaled by the training part.

    Without tuned blocks below it, it is a linear probe of the stored functionals.
    """

    scales_pooled = True

    def width(self, dim: int, options: FrameHeadSettings) -> int:
        """Return mean and standard deviation of each number."""
        return 2 * dim

    def draw(
        self, dim: int, options: FrameHeadSettings, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw nothing: it has no parameters."""
        return {}

    def pool(
        self,
        parameters: Parameters,
        rows: Float[Tensor, "shared rows dim"],
        lengths: Sequence[int],
        options: FrameHeadSettings,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch width"]:
        """Return means, then population standard deviations."""
        mean = segment_means(rows, lengths)
        square = segment_means(rows.square(), lengths)
        deviation = (square - mean.square()).clamp(min=LEAST_VARIANCE).sqrt()
        return torch.cat([mean, deviation], dim=-1)


class TrainedMeanStd(TrainedFrameHead):
    """The head `mean-std` after training."""

    kind = "mean-std"
    pooling = MeanStdPooling()
