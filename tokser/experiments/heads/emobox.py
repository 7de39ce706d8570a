"""The head of EmoBox and emotion2vec: a rectified linear layer on frames, averaged."""

from tokser.experiments.heads.frames.projected_means import ProjectedMeans
from tokser.experiments.heads.frames.trained import TrainedFrameHead

__all__ = ["EmoBoxPooling", "TrainedEmoBox"]


class EmoBoxPooling(ProjectedMeans):
    """`emobox`: p = mean_t(relu(x_t W + b)).

    Source: EmoBox (Ma et al. 2024) and emotion2vec (Ma et al. 2024), downstream model: Linear and
    ReLU on frames, mean over them, Linear.
    """

    layer, is_rectified = "frames", True


class TrainedEmoBox(TrainedFrameHead):
    """The head `emobox` after training."""

    kind = "emobox"
    pooling = EmoBoxPooling()
