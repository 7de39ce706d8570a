"""The aligner as the paper prints it."""

from jaxtyping import Float, Int64
from torch import Tensor, nn

from tokser.pretrain.aligner import Aligner, NoOptions
from tokser.pretrain.attention import (
    attention_weights,
    plain_attention,
    product,
    reassociated_attention,
    uniform_weight,
)

__all__ = ["PaperAligner"]

Speech = Float[Tensor, "frames speech_dim"]
Tokens = Float[Tensor, "tokens text_dim"]
Lengths = Int64[Tensor, " batch"]


class PaperAligner(Aligner):
    """B_s = softmax(Q K^T) V with Q = T W_q, K = S W_k, V = S W_v.

    One head, unscaled, no residual, no biases. Weights start uniform within 1/sqrt(fan-in), as
    `torch.nn.Linear` has it: the likely choice of the paper's authors, and small enough that the
    unscaled softmax starts nearly flat.

    Source: paper, section 3.3. Departs: W_k and W_v are D_s x D_t, for the encoders' widths
    differ.
    """

    def build(self, options: NoOptions) -> None:
        """Make W_q, W_k and W_v."""
        self.w_q = nn.Parameter(uniform_weight(self.text_dim, self.text_dim))
        self.w_k = nn.Parameter(uniform_weight(self.speech_dim, self.text_dim))
        self.w_v = nn.Parameter(uniform_weight(self.speech_dim, self.text_dim))

    @property
    def scale(self) -> float:
        """What scores are multiplied by."""
        return 1.0

    def align(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Tokens:
        """Return B_s, reassociated."""
        q = product(queries, self.w_q)
        lengths = num_tokens, num_frames
        return reassociated_attention(q, speech, self.w_k, self.w_v, *lengths, scale=self.scale)

    def align_plainly(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Tokens:
        """Return B_s as printed: every frame is projected twice."""
        q, k, v = queries @ self.w_q, speech @ self.w_k, speech @ self.w_v
        return plain_attention(q, k, v, num_tokens, num_frames, scale=self.scale)

    def attention_weights(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Float[Tensor, "batch heads longest_tokens longest_frames"]:
        """Return softmax(Q K^T)."""
        q, k = queries @ self.w_q, speech @ self.w_k
        return attention_weights(q, k, num_tokens, num_frames, scale=self.scale)
