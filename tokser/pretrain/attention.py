"""Cross-attention of text tokens over speech frames: the report's form, and a faster one.

With one head and frozen speech, scores and outputs reassociate, so frames are never projected:

    softmax(Q K^T) V = softmax((T W_q W_k^T) S^T) S W_v
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

__all__ = ["ALIGNERS", "ReportAligner", "frame_mask", "plain_attention", "reassociated_attention"]

Queries = Float[Tensor, "batch tokens text_dim"]
Speech = Float[Tensor, "batch frames speech_dim"]
Mask = Bool[Tensor, "batch frames"]


def plain_attention(
    queries: Queries,
    speech: Speech,
    mask: Mask,
    w_q: Float[Tensor, "text_dim text_dim"],
    w_k: Float[Tensor, "speech_dim text_dim"],
    w_v: Float[Tensor, "speech_dim text_dim"],
) -> tuple[Queries, Float[Tensor, "batch tokens frames"]]:
    """B_s = softmax(Q K^T) V with Q = T W_q, K = S W_k, V = S W_v; the reference form.

    Args:
        queries: T.
        speech: S, padded.
        mask: True where a frame holds speech.
        w_q: W_q.
        w_k: W_k.
        w_v: W_v.

    Returns:
        B_s, and the attention map, whose rows sum to 1.

    Source: report, section 3.3. Departs: W_k and W_v are D_s x D_t, for the encoders' widths
    differ; there is no 1/sqrt(D) and no residual, as printed.
    """
    scores = (queries @ w_q) @ (speech @ w_k).mT
    attention = _masked_softmax(scores, mask)
    return attention @ (speech @ w_v), attention


def reassociated_attention(
    queries: Queries,
    speech: Speech,
    mask: Mask,
    w_q: Float[Tensor, "text_dim text_dim"],
    w_k: Float[Tensor, "speech_dim text_dim"],
    w_v: Float[Tensor, "speech_dim text_dim"],
) -> Queries:
    """B_s as `plain_attention` gives it, without projecting a single frame."""
    scores = (queries @ (w_q @ w_k.mT)) @ speech.mT
    return (_masked_softmax(scores, mask) @ speech) @ w_v


def frame_mask(num_frames: Int[Tensor, " batch"], frames: int) -> Mask:
    """Return True where a frame of a padded batch holds speech."""
    return torch.arange(frames, device=num_frames.device) < num_frames[:, None]


class ReportAligner(nn.Module):
    """One head, unscaled, no residual, no biases.

    Weights start uniform within 1/sqrt(fan-in), as `torch.nn.Linear` has it: the likely choice
    of the report's authors, and small enough that the unscaled softmax starts nearly flat.

    Args:
        text_dim: Width D_t of queries and teacher.
        speech_dim: Width D_s of the frames.

    Source: report, section 3.3.
    """

    def __init__(self, text_dim: int, speech_dim: int) -> None:
        super().__init__()
        self.w_q = nn.Parameter(_uniform(text_dim, text_dim))
        self.w_k = nn.Parameter(_uniform(speech_dim, text_dim))
        self.w_v = nn.Parameter(_uniform(speech_dim, text_dim))

    def forward(
        self, queries: Queries, speech: Speech, num_frames: Int[Tensor, " batch"]
    ) -> Queries:
        """Return the student B_s; rows of padded tokens mean nothing."""
        mask = frame_mask(num_frames, speech.shape[1])
        return reassociated_attention(queries, speech, mask, self.w_q, self.w_k, self.w_v)

    def attention_map(
        self, queries: Queries, speech: Speech, num_frames: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch tokens frames"]:
        """Return where each token listens; rows sum to 1 over frames."""
        mask = frame_mask(num_frames, speech.shape[1])
        return plain_attention(queries, speech, mask, self.w_q, self.w_k, self.w_v)[1]


ALIGNERS = {"report": ReportAligner}
"""Aligners by variant; all take (text_dim, speech_dim) and share one interface."""


def _uniform(fan_in: int, fan_out: int) -> Tensor:
    bound = fan_in**-0.5
    return torch.empty(fan_in, fan_out).uniform_(-bound, bound)


def _masked_softmax(
    scores: Float[Tensor, "batch tokens frames"], mask: Mask
) -> Float[Tensor, "batch tokens frames"]:
    return scores.masked_fill(~mask[:, None, :], float("-inf")).softmax(dim=-1)
