"""Attentive statistics pooling: weighted mean and standard deviation over frames."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokser.config.frame_heads import FrameHeadSettings
from tokser.experiments.heads.frames.attention_scores import attention_scores
from tokser.experiments.heads.frames.compiled_statistics import (
    compile_statistics,
    compiled_statistics,
    has_compiler,
    suits_compiled,
)
from tokser.experiments.heads.frames.pooling import (
    Dropout,
    Parameters,
    Pooling,
    TermRows,
    draw_linear,
    products_of,
)
from tokser.experiments.heads.frames.ragged import LEAST_VARIANCE, segment_softmax, weighted_sums
from tokser.experiments.heads.frames.trained import TrainedFrameHead

__all__ = ["AttentivePooling", "TrainedAttentive"]

HIDDEN = 64
"""Units of the attention."""
COMPILED_WORK = 2e7
"""Frames trained on, times models and epochs, from which on they are compiled: ten seconds of
torch's own work or more, as long as compiling takes, which is done once a machine."""


class AttentivePooling(Pooling):
    """`attentive`: frames weigh as much as a small network says.

    e_t = v^T tanh(W^T x_t + b), a_t = softmax_t(e_t), mu = sum_t a_t x_t,
    sigma = sqrt(sum_t a_t x_t^2 - mu^2), and [mu, sigma] is the vector. Several attention heads
    have a v each, and their vectors stand side by side. At first v is 0: all frames weigh the same,
    mu and sigma are the usual functionals, and training begins as a linear probe of them.

    Source: Okabe, Koshinaka, Shinoda 2018, equations 1 to 5. Departs: no batch normalisation in
    the attention; the vectors are scaled by the training part instead.

    Args:
        is_compiled: Whether training is, where frames are float32 on a CPU and shared by all
            models; elsewhere, and without it, torch computes the same up to rounding.
    """

    scales_pooled = shares_products = True

    def __init__(self, *, is_compiled: bool = False) -> None:
        self.is_compiled = is_compiled

    def for_work(self, frames: float) -> "AttentivePooling":
        """Return one that is compiled where that takes less time than it saves."""
        if frames < COMPILED_WORK or not has_compiler():
            return self
        compile_statistics()
        return AttentivePooling(is_compiled=True)

    def width(self, dim: int, options: FrameHeadSettings) -> int:
        """Return mean and standard deviation for each attention head."""
        return 2 * dim * options.attention_heads

    def draw(
        self, dim: int, options: FrameHeadSettings, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw W and b; v is 0, or small where several attention heads must differ."""
        found = draw_linear("attention", dim, HIDDEN, generator)
        score = torch.zeros(HIDDEN, options.attention_heads)
        if options.attention_heads > 1:
            score = 0.01 * torch.randn(score.shape, generator=generator)
        return found | {"score": score}

    def reads_compiled(self, options: FrameHeadSettings) -> torch.dtype | None:
        """Return the type of the large products."""
        return products_of(options) or torch.float32 if self.is_compiled else None

    def pool_term(
        self, term: TermRows, options: FrameHeadSettings, dropout: Dropout
    ) -> Float[Tensor, "models batch width"]:
        """Return the vectors of a term, compiled where it can be."""
        parameters, rows, lengths, rounded = term
        weight = parameters["attention.weight"]
        if not self.is_compiled or not suits_compiled(rows, weight):
            return self.pool(parameters, rows, lengths, options, dropout)
        if rounded is None:
            rounded = rows[0].to(products_of(options) or rows.dtype)
        bias, score = parameters["attention.bias"], parameters["score"]
        return compiled_statistics(rows, weight, bias, score, lengths, rounded)

    def pool(
        self,
        parameters: Parameters,
        rows: Float[Tensor, "shared rows dim"],
        lengths: Sequence[int],
        options: FrameHeadSettings,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch width"]:
        """Return weighted means, then weighted standard deviations."""
        weight, bias = parameters["attention.weight"], parameters["attention.bias"]
        score = parameters["score"]
        scores = attention_scores(rows, weight, bias, score, products_of(options))
        weights = segment_softmax(scores, lengths)
        mean = weighted_sums(weights, rows, lengths)
        square = weighted_sums(weights, rows.square(), lengths)
        deviation = (square - mean.square()).clamp(min=LEAST_VARIANCE).sqrt()
        return torch.cat([mean.flatten(2), deviation.flatten(2)], dim=-1)


class TrainedAttentive(TrainedFrameHead):
    """The head `attentive` after training."""

    kind = "attentive"
    pooling = AttentivePooling()
