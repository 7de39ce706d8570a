"""Transformer blocks over frames, and a learned query that pools them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from tokser.config.frame_heads import FrameHeadSettings
from tokser.errors import SettingsError
from tokser.experiments.heads.frames.pooling import (
    Dropout,
    Parameters,
    Pooling,
    draw_linear,
    products_of,
)
from tokser.experiments.heads.frames.ragged import linear, segment_softmax, weighted_sums
from tokser.experiments.heads.frames.trained import TrainedFrameHead

__all__ = ["TrainedTransformer", "TransformerPooling"]

WIDTH = 128
"""Numbers in a frame within the blocks."""
FEEDFORWARD = 256
"""Units of a block's feedforward layer."""
ROWS = 256
"""The blocks take a multiple of so many: oneDNN compiles a product for each number of rows."""


class TransformerPooling(Pooling):
    """`transformer`: blocks that let the frames of an utterance attend to each other.

    h = x W + b; in each block h += MHA(LN(h)), h += relu(LN(h) W_1 + b_1) W_2 + b_2; then a learned
    query q pools: a_t = softmax_t(q^T LN(h_t) / sqrt(128)), p = sum_t a_t LN(h_t). Frames carry
    their place already: the encoder gave it to them.

    Source: Vaswani et al. 2017, with LayerNorm first (Xiong et al. 2020) as in
    `torch.nn.TransformerEncoderLayer(norm_first=True)`; the query as in Set Transformer's pooling
    (Lee et al. 2019).
    """

    def check(self, options: FrameHeadSettings) -> None:
        """Raise `SettingsError` unless the attention heads share the width evenly."""
        if WIDTH % options.attention_heads:
            raise SettingsError(
                "--attention-heads",
                expected=f"a divisor of {WIDTH} for the head transformer",
                got=str(options.attention_heads),
                remedy="Take 1, 2, 4 or 8.",
            )

    def width(self, dim: int, options: FrameHeadSettings) -> int:
        """Return the width of the blocks."""
        return WIDTH

    def draw(
        self, dim: int, options: FrameHeadSettings, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Draw the projection, the blocks, and the query, which is 0 at first: a mean."""
        found = draw_linear("input", dim, WIDTH, generator)
        for block in range(options.blocks):
            shapes = {"qkv": (WIDTH, 3 * WIDTH), "attended": (WIDTH, WIDTH)}
            shapes |= {"wide": (WIDTH, FEEDFORWARD), "narrow": (FEEDFORWARD, WIDTH)}
            for name, shape in shapes.items():
                found |= draw_linear(f"block-{block}.{name}", *shape, generator)
            for name in ("norm-1", "norm-2"):
                found |= _plain_norm(f"block-{block}.{name}")
        return found | _plain_norm("norm") | {"query": torch.zeros(WIDTH, 1)}

    def pool(
        self,
        parameters: Parameters,
        rows: Float[Tensor, "shared rows dim"],
        lengths: Sequence[int],
        options: FrameHeadSettings,
        dropout: Dropout,
    ) -> Float[Tensor, "models batch width"]:
        """Return what the query makes of the blocks' output."""
        precision = products_of(options)
        hidden = _linear(parameters, "input", rows, precision)
        num_rows, left_over = hidden.shape[1], -hidden.shape[1] % ROWS
        hidden = functional.pad(hidden, (0, 0, 0, left_over))
        for block in range(options.blocks):
            name = f"block-{block}."
            own = {n.removeprefix(name): v for n, v in parameters.items() if n.startswith(name)}
            normed = _norm(own, "norm-1", hidden)
            projected = _linear(own, "qkv", normed, precision)
            attended = _attend(projected[:, :num_rows], lengths, options.attention_heads)
            attended = functional.pad(attended, (0, 0, 0, left_over))
            hidden = hidden + dropout(_linear(own, "attended", attended, precision))
            normed = _norm(own, "norm-2", hidden)
            wide = dropout(_linear(own, "wide", normed, precision).relu())
            hidden = hidden + dropout(_linear(own, "narrow", wide, precision))
        normed = _norm(parameters, "norm", hidden[:, :num_rows])
        scores = (normed @ parameters["query"]).transpose(1, 2) * WIDTH**-0.5
        return weighted_sums(segment_softmax(scores, lengths), normed, lengths)[:, :, 0]


class TrainedTransformer(TrainedFrameHead):
    """The head `transformer` after training."""

    kind = "transformer"
    pooling = TransformerPooling()


def _linear(
    parameters: Parameters, name: str, rows: Tensor, precision: torch.dtype | None
) -> Tensor:
    return linear(rows, parameters[f"{name}.weight"], parameters[f"{name}.bias"], precision)


def _norm(parameters: Parameters, name: str, rows: Tensor) -> Tensor:
    normed = functional.layer_norm(rows, rows.shape[-1:])
    return torch.addcmul(parameters[f"{name}.shift"], normed, parameters[f"{name}.gain"])


def _plain_norm(name: str) -> dict[str, Tensor]:
    return {f"{name}.gain": torch.ones(1, WIDTH), f"{name}.shift": torch.zeros(1, WIDTH)}


def _attend(
    projected: Float[Tensor, "models rows width"], lengths: Sequence[int], num_heads: int
) -> Float[Tensor, "models rows width_of_values"]:
    """Let the frames of each utterance attend to each other, an utterance at a time."""
    attended = []
    # Not slices: the gradient of each would be as large as the whole batch.
    for own in projected.split(list(lengths), dim=1):
        query, key, value = own.unflatten(-1, (3, num_heads, -1)).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(query, key, value)
        attended.append(found.transpose(1, 2).flatten(2))
    return torch.cat(attended, dim=1)
