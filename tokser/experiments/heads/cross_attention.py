"""Text and speech in one vector: tokens attend to frames, and decide how much each one weighs."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokser.config.frame_heads import FrameHeadSettings
from tokser.experiments.heads.frames.pooling import (
    Dropout,
    Parameters,
    Pooling,
    TermRows,
    draw_linear,
)
from tokser.experiments.heads.frames.ragged import (
    LEAST_VARIANCE,
    linear,
    segment_means,
    spans,
    weighted_sums,
)
from tokser.experiments.heads.frames.trained import TrainedFrameHead

__all__ = ["CrossAttentionPooling", "TrainedCrossAttention"]

HIDDEN = 64
"""Width of queries and keys of an attention head."""


class CrossAttentionPooling(Pooling):
    """`cross-attention`: the tokens of the second term query the frames of the first.

    With tokens x_m and frames s_t: A_mt = softmax_t((x_m W_q + b) . (s_t W_k) / sqrt(64)), and
    a_t = mean_m A_mt. Then mu = sum_t a_t s_t is the mean over tokens of what each one attends to,
    sigma = sqrt(sum_t a_t s_t^2 - mu^2), and the vector is [mu, sigma] of every attention head,
    then mean and standard deviation of the tokens. There are no values W_v: the mean over tokens is
    linear, and a linear layer follows. At first W_k is 0 (with several attention heads, small): all
    frames weigh the same, and training begins as a linear probe of both functionals.

    Scores are computed as (Q W_k^T) S^T, so frames are never projected.

    Source: the paper's aligner (section 3), scaled as in Vaswani et al. 2017.
    """

    scales_pooled = True
    kinds = ("speech", "text")

    def width(self, dim: int, options: FrameHeadSettings) -> int:
        """Return mean and standard deviation."""
        return 2 * dim

    def width_of_terms(self, dims: Sequence[int], options: FrameHeadSettings) -> int:
        """Return those of the frames for each attention head, and those of the tokens."""
        speech, text = dims
        return 2 * (speech * options.attention_heads + text)

    def draw(
        self, dim: int, options: FrameHeadSettings, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw nothing: all parameters belong to both terms."""
        return {}

    def draw_shared(
        self, dims: Sequence[int], options: FrameHeadSettings, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw W_q and b; W_k is 0, or small where several attention heads must differ."""
        speech, text = dims
        wide = HIDDEN * options.attention_heads
        found = draw_linear("query", text, wide, generator)
        key = torch.zeros(speech, wide)
        if options.attention_heads > 1:
            key = 0.01 * torch.randn(key.shape, generator=generator)
        return found | {"key.weight": key}

    def pool(
        self,
        parameters: Parameters,
        rows: Float[Tensor, "shared rows dim"],
        lengths: Sequence[int],
        options: FrameHeadSettings,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch width"]:
        """Return mean and standard deviation of the rows: what tokens are pooled to."""
        mean, square = segment_means(rows, lengths), segment_means(rows.square(), lengths)
        return torch.cat([mean, _deviation(mean, square)], dim=-1)

    def pool_terms(
        self,
        shared: Parameters,
        terms: Sequence[TermRows],
        options: FrameHeadSettings,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch width"]:
        """Return frames as weighted by tokens, then tokens."""
        speech, text = terms
        query = linear(text.rows, shared["query.weight"], shared["query.bias"])
        models, heads = len(query), options.attention_heads
        of_heads = query.view(models, -1, heads, HIDDEN).transpose(1, 2) * HIDDEN**-0.5
        key = shared["key.weight"].view(models, -1, heads, HIDDEN).permute(0, 2, 3, 1)
        weights = _weights(of_heads @ key, text.lengths, speech.rows, speech.lengths)
        mean = weighted_sums(weights, speech.rows, speech.lengths)
        square = weighted_sums(weights, speech.rows.square(), speech.lengths)
        tokens = self.pool(text.parameters, text.rows, text.lengths, options, dropout)
        parts = [mean.flatten(2), _deviation(mean, square).flatten(2)]
        return torch.cat([*parts, tokens.expand(models, -1, -1)], dim=-1)


class TrainedCrossAttention(TrainedFrameHead):
    """The head `cross-attention` after training."""

    kind = "cross-attention"
    pooling = CrossAttentionPooling()


def _weights(
    queries: Float[Tensor, "models heads tokens dim"],
    num_tokens: Sequence[int],
    frames: Float[Tensor, "shared rows dim"],
    num_frames: Sequence[int],
) -> Float[Tensor, "models heads rows"]:
    """Return a_t of each attention head, an utterance at a time."""
    models, heads, _, dim = queries.shape
    found = []
    for of_tokens, (first, last) in zip(spans(num_tokens), spans(num_frames), strict=True):
        own, rows = queries[:, :, slice(*of_tokens)], frames[:, first:last]
        if len(rows) == models:
            scores = own.flatten(1, 2) @ rows.transpose(1, 2)
        else:  # one product for all models
            scores = own.reshape(-1, dim) @ rows[0].T
        weights = scores.view(models, heads, own.shape[2], last - first).softmax(dim=-1)
        found.append(weights.mean(dim=2))
    return torch.cat(found, dim=-1)


def _deviation(mean: Tensor, square: Tensor) -> Tensor:
    return (square - mean.square()).clamp(min=LEAST_VARIANCE).sqrt()
