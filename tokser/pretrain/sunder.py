"""The aligner of Sunder et al.: a block of a transformer's decoder without self-attention."""

import math

from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn

from tokser.config import Settings
from tokser.errors import SettingsError
from tokser.pretrain.aligner import Aligner
from tokser.pretrain.attention import attention_weights, plain_attention, reassociated_attention
from tokser.pretrain.dropout import ChunkDropout

__all__ = ["SunderAligner", "SunderOptions"]

Speech = Float[Tensor, "frames speech_dim"]
Tokens = Float[Tensor, "tokens text_dim"]
Lengths = Int64[Tensor, " batch"]


class SunderOptions(Settings):
    """Options of the variant `sunder`."""

    heads: int = Field(default=12, gt=0)
    """Attention heads; they divide the width of the text."""
    ffn: int = Field(default=2048, gt=0)
    """Width of the feed-forward layer."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of what attention and feed-forward add that is dropped in training."""


class SunderAligner(Aligner):
    """Several heads, scaled; residual to the query, LayerNorm; feed-forward, LayerNorm.

    X = LN(T + softmax(Q K^T / sqrt(d)) V W_o); B_s = LN(X + W_2 relu(W_1 X)), d the width of a
    head, with biases.

    Source: Sunder et al., Tokenwise Contrastive Pretraining for Finer Speech-to-BERT Alignment in
    End-to-End Speech-to-Intent Systems, section 3.
    """

    Options = SunderOptions

    def build(self, options: SunderOptions) -> None:
        """Make the block's layers."""
        dim = self.text_dim
        if dim % options.heads:
            raise SettingsError(
                f"heads = {options.heads}",
                expected=f"a number that divides the text's width {dim}",
                got=str(options.heads),
                remedy="Set another number of heads with --option heads=N.",
            )
        self.num_heads = options.heads
        self.query, self.output = nn.Linear(dim, dim), nn.Linear(dim, dim)
        # A bias of the key would move all scores of a token alike, and so change nothing.
        self.key = nn.Linear(self.speech_dim, dim, bias=False)
        self.value = nn.Linear(self.speech_dim, dim)
        self.norm, self.norm_out = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, options.ffn), nn.ReLU(), nn.Linear(options.ffn, dim)
        )
        self.dropout = ChunkDropout(options.dropout)

    @property
    def scale(self) -> float:
        """What scores are multiplied by."""
        return 1 / math.sqrt(self.text_dim // self.num_heads)

    def align(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Tokens:
        """Return B_s, reassociated where that is less work."""
        if self.num_heads * num_tokens.sum() >= num_frames.sum():
            return self.align_plainly(queries, speech, num_tokens, num_frames)
        context = reassociated_attention(
            self.query(queries),
            speech,
            self.key.weight.mT,
            self.value.weight.mT,
            num_tokens,
            num_frames,
            scale=self.scale,
            num_heads=self.num_heads,
        )
        return self._rest(queries, context + self.value.bias)  # weights sum to 1

    def align_plainly(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Tokens:
        """Return B_s as written: every frame is projected twice."""
        q, rows = self.query(queries), speech.to(queries.dtype)
        context = plain_attention(
            q,
            self.key(rows),
            self.value(rows),
            num_tokens,
            num_frames,
            scale=self.scale,
            num_heads=self.num_heads,
        )
        return self._rest(queries, context)

    def attention_weights(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Float[Tensor, "batch heads longest_tokens longest_frames"]:
        """Return softmax(Q K^T / sqrt(d)) of every head."""
        return attention_weights(
            self.query(queries),
            self.key(speech),
            num_tokens,
            num_frames,
            scale=self.scale,
            num_heads=self.num_heads,
        )

    def _rest(self, queries: Tokens, context: Tokens) -> Tokens:
        x = self.norm(queries + self.dropout(self.output(context)))
        student: Tensor = self.norm_out(x + self.dropout(self.feed_forward(x)))
        return student
