"""The paper's aligner with the scores divided by sqrt(D)."""

import math

from tokser.pretrain.paper import PaperAligner

__all__ = ["ScaledAligner"]


class ScaledAligner(PaperAligner):
    """B_s = softmax(Q K^T / sqrt(D)) V, D the width of Q and K; the rest as in the paper.

    Source: Vaswani et al., Attention Is All You Need, section 3.2.1.
    """

    @property
    def scale(self) -> float:
        """What scores are multiplied by."""
        return 1 / math.sqrt(self.text_dim)
