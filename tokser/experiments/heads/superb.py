"""SUPERB's head for emotion recognition: a linear map of mixed layers, averaged over frames."""

from tokser.experiments.heads.frames.projected_means import ProjectedMeans
from tokser.experiments.heads.frames.trained import TrainedFrameHead

__all__ = ["SuperbPooling", "TrainedSuperb"]


class SuperbPooling(ProjectedMeans):
    """`superb`: p = mean_t(x_t W + b).

    Nothing between the mix of layers and the mean is nonlinear, so
    mean_t(sum_l s_l x_lt W + b) = sum_l s_l mean_t(x_lt) W + b: pooled means give the same numbers
    as frames, in a hundredth of the work.

    Source: SUPERB (Yang et al. 2021), s3prl `downstream/emotion`: Featurizer, Linear 256, mean
    pooling, Linear. Departs: layers are standardised by the frames of the training part.
    """

    layer = "projection"
    takes_means = True


class TrainedSuperb(TrainedFrameHead):
    """The head `superb` after training."""

    kind = "superb"
    pooling = SuperbPooling()
