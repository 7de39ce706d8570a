"""An aligner that must use the speech: the word is a query only, all output comes from frames."""

import math

import torch
from jaxtyping import Float, Int64
from pydantic import AliasChoices, Field
from torch import Tensor, nn

from tokser.config import Settings
from tokser.pretrain.aligner import Aligner
from tokser.pretrain.dropout import ChunkDropout
from tokser.pretrain.ragged import as_padded, as_ragged, row_mask

__all__ = ["ListenerAligner", "ListenerOptions"]

Speech = Float[Tensor, "frames speech_dim"]
Tokens = Float[Tensor, "tokens text_dim"]
Lengths = Int64[Tensor, " batch"]
Weights = Float[Tensor, "batch heads longest_tokens longest_frames"]
Padded = Float[Tensor, "batch longest_frames speech_dim"]

_FIRST_WIDTH = 0.08
"""Of the window at the start, as a share of the utterance: a word among a dozen."""
_GLOBAL_QUERIES = "seeds"
"""Name of the global queries' weights in checkpoints, as earlier versions wrote it."""


class ListenerOptions(Settings):
    """Options of the variant `listener`."""

    heads: int = Field(default=1, gt=0)
    """Windows of each token; more of them score higher and gain less over mismatched speech."""
    rank: int = Field(default=64, gt=0)
    """Width of queries and keys of a head: how well a word can tell frames apart."""
    global_queries: int = Field(
        default=4, gt=0, validation_alias=AliasChoices("global_queries", "seeds")
    )
    """Learned queries of every utterance, whatever its words."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Share of the attended frames' values that is dropped in training."""


class ListenerAligner(Aligner):
    """Words within a window of time, and the whole utterance beside them.

    B_s = V [A_1 N; ...; A_H N] + C [c_1; ...; c_M] + b, with N = LayerNorm(S) and

        A_h = softmax(Q_h K_h^T / sqrt(r) - (t - p)^2 / 2 w_h^2),   Q_h = T W_q, K_h = N W_k
        c_m = softmax(u_m N^T) N

    where p is the position of a token and t that of a frame, both from 0 to 1 over the utterance.
    The same word in another utterance has the same query, so what sets its tokens apart, the
    sentence, can come from c alone, that is from speech. There is no residual to the word and no
    layer after the two sums; few parameters, so a few thousand utterances suffice.

    Source: tokser's own.
    """

    Options = ListenerOptions

    def build(self, options: ListenerOptions) -> None:
        """Make the window, the global queries, and the maps of their contexts."""
        self.num_heads, self.num_global_queries = options.heads, options.global_queries
        # Its scale and shift would be one with the matrices after it, and cost a gradient of S.
        self.norm = nn.LayerNorm(self.speech_dim, elementwise_affine=False)
        self.query = nn.Linear(self.text_dim, options.heads * options.rank)
        self.key = nn.Linear(self.speech_dim, options.heads * options.rank, bias=False)
        self.log_width = nn.Parameter(torch.full((options.heads,), math.log(_FIRST_WIDTH)))
        global_queries = nn.Linear(self.speech_dim, options.global_queries, bias=False)
        self.add_module(_GLOBAL_QUERIES, global_queries)
        self.value = nn.Linear(options.heads * self.speech_dim, self.text_dim)
        self.context = nn.Linear(
            options.global_queries * self.speech_dim, self.text_dim, bias=False
        )
        self.dropout = ChunkDropout(options.dropout)

    @property
    def global_queries(self) -> nn.Module:
        """Scores of every frame for each global query u_m."""
        return self.get_submodule(_GLOBAL_QUERIES)

    def align(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Tokens:
        """Return B_s, reassociated: no frame is projected."""
        frames = self._frames(speech, num_frames)
        projected = torch.einsum("thr,hrs->ths", self._queries(queries), self._keys())
        padded = as_padded(projected.flatten(1), num_tokens).unflatten(2, (self.num_heads, -1))
        # Heads are treated as more tokens: matmul would copy the frames for each of them.
        scores = (padded.transpose(1, 2).flatten(1, 2) @ frames.mT).unflatten(
            1, (self.num_heads, -1)
        )
        weights = self._windowed(scores, num_tokens, num_frames)
        local = (weights.flatten(1, 2) @ frames).unflatten(1, (self.num_heads, -1))
        local = self.dropout(as_ragged(local.transpose(1, 2).flatten(2), num_tokens))
        whole = self.context(self.dropout(self._context(frames, num_frames)))
        each = whole.repeat_interleave(num_tokens.to(whole.device), dim=0)
        student: Tensor = self.value(local) + each
        return student

    def align_plainly(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Tokens:
        """Return B_s as written: keys and values of every frame, an utterance at a time."""
        width, heads = self.speech_dim, self.num_heads
        values = self.value.weight.unflatten(1, (heads, width)).unbind(1)
        contexts = self.context.weight.unflatten(1, (self.num_global_queries, width)).unbind(1)
        found = []
        for q, s in zip(
            queries.split(num_tokens.tolist()), speech.split(num_frames.tolist()), strict=True
        ):
            n = self.norm(s.to(q.dtype))
            lengths = torch.tensor([len(q)]), torch.tensor([len(s)])
            (weights,) = self._windowed(self._scores(q, n)[None], *lengths)
            local = sum(self.dropout(a @ n) @ v.mT for a, v in zip(weights, values, strict=True))
            global_weights = self.global_queries(n).softmax(dim=0).unbind(1)
            whole = sum(
                self.dropout(u @ n) @ c.mT for u, c in zip(global_weights, contexts, strict=True)
            )
            found.append(local + whole + self.value.bias)
        return torch.cat(found)

    def attention_weights(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Weights:
        """Return the windows A of every head."""
        frames = self._frames(speech, num_frames)
        padded = as_padded(queries, num_tokens)
        scores = torch.stack([self._scores(q, n) for q, n in zip(padded, frames, strict=True)])
        return self._windowed(scores, num_tokens, num_frames)

    def _frames(self, speech: Speech, num_frames: Lengths) -> Padded:
        frames: Tensor = self.norm(as_padded(speech.to(self.log_width.dtype), num_frames))
        return frames

    def _queries(self, queries: Tokens) -> Float[Tensor, "tokens heads rank"]:
        q: Tensor = self.query(queries).unflatten(1, (self.num_heads, -1))
        return q / math.sqrt(q.shape[2])

    def _keys(self) -> Float[Tensor, "heads rank speech_dim"]:
        keys: Tensor = self.key.weight.unflatten(0, (self.num_heads, -1))
        return keys

    def _scores(
        self, queries: Tokens, frames: Speech
    ) -> Float[Tensor, "heads longest_tokens longest_frames"]:
        keys = self.key(frames).unflatten(1, (self.num_heads, -1))
        scores: Tensor = self._queries(queries).transpose(0, 1) @ keys.permute(1, 2, 0)
        return scores

    def _windowed(self, scores: Weights, num_tokens: Lengths, num_frames: Lengths) -> Weights:
        """Add the windows to the scores, and normalise every token's weights to a sum of 1."""
        places, times = (
            (torch.arange(longest, device=scores.device) + 0.5)
            / lengths.to(scores.device, self.log_width.dtype)[:, None]
            for longest, lengths in zip(scores.shape[2:], (num_tokens, num_frames), strict=True)
        )
        away = (times[:, None, :] - places[:, :, None])[:, None]
        window = (away / self.log_width.exp()[:, None, None]).square() / 2
        mask = row_mask(num_frames, scores.device)[:, None, None]
        return (scores - window).masked_fill(~mask, float("-inf")).softmax(dim=-1)

    def _context(
        self, frames: Padded, num_frames: Lengths
    ) -> Float[Tensor, "batch queries_speech_dim"]:
        mask = row_mask(num_frames, frames.device)
        scores = self.global_queries(frames).masked_fill(~mask[..., None], float("-inf"))
        context: Tensor = (scores.softmax(dim=1).mT @ frames).flatten(1)
        return context
