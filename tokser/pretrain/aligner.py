"""What every aligner is: text tokens that query speech frames, whatever the variant."""

import abc
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tokser.config import Settings

__all__ = ["Aligner", "Heard", "LayerMix", "NoOptions"]

Speech = Float[Tensor, "frames speech_dim"]
Tokens = Float[Tensor, "tokens text_dim"]
Lengths = Int64[Tensor, " batch"]


class Heard(NamedTuple):
    """What an aligner is given: tokens that ask, and the frames that they hear.

    Utterances lie one after the other, without padding.

    Attributes:
        queries: T, float32 [tokens, text_dim].
        num_tokens: Tokens of each utterance; on the CPU.
        speech: S, as it is stored (float16, say), [layers, frames, speech_dim].
        num_frames: Frames of each utterance; on the CPU.
    """

    queries: Tokens
    num_tokens: Lengths
    speech: Float[Tensor, "layers frames speech_dim"]
    num_frames: Lengths

    def to(self, device: torch.device) -> "Heard":
        """Move the rows; lengths stay on the CPU."""
        return self._replace(
            queries=self.queries.to(device, non_blocking=True),
            speech=self.speech.to(device, non_blocking=True),
        )

    def pin_memory(self) -> "Heard":
        """Put the rows where a GPU fetches them while others are worked on."""
        return self._replace(queries=self.queries.pin_memory(), speech=self.speech.pin_memory())


class NoOptions(Settings):
    """A variant without options of its own."""


class LayerMix(nn.Module):
    """S = sum_l softmax(w)_l S_l: one speech feature out of several layers.

    Args:
        num_layers: Layers.
    """

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(num_layers))

    def forward(self, speech: Float[Tensor, "layers frames speech_dim"]) -> Speech:
        """Return the mix."""
        return torch.einsum("l,lfd->fd", self.weights.softmax(dim=0), speech.to(self.weights.dtype))


class Aligner(nn.Module, abc.ABC):
    """Base of the variants: mixes the layers, then lets tokens listen.

    Args:
        text_dim: Width D_t of queries and teacher.
        speech_dim: Width D_s of the frames.
        num_layers: Speech layers; where there are several, their mix is learned.
        options: The variant's own options.
    """

    Options: ClassVar[type[Settings]] = NoOptions
    """Settings of the variant's own, each with a default."""

    def __init__(
        self,
        text_dim: int,
        speech_dim: int,
        num_layers: int = 1,
        options: Settings | None = None,
    ) -> None:
        super().__init__()
        self.text_dim, self.speech_dim = text_dim, speech_dim
        self.mix = LayerMix(num_layers) if num_layers > 1 else None
        self.build(options or self.Options())

    @abc.abstractmethod
    def build(self, options: Any) -> None:
        """Make the variant's own weights; `text_dim` and `speech_dim` are set.

        Args:
            options: An instance of `Options`.
        """

    @abc.abstractmethod
    def align(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Tokens:
        """Return the student B_s of mixed speech."""

    @abc.abstractmethod
    def align_plainly(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Tokens:
        """Return what `align` returns, in the form that the equation is written in."""

    @abc.abstractmethod
    def weigh(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Float[Tensor, "batch heads longest_tokens longest_frames"]:
        """Return where each head of each token listens."""

    def forward(self, heard: Heard) -> Tokens:
        """Return the student B_s, a row for each token, utterance after utterance."""
        queries, num_tokens, speech, num_frames = heard
        return self.align(queries, self.mixed(speech), num_tokens, num_frames)

    def forward_plainly(self, heard: Heard) -> Tokens:
        """Return what `forward` returns, computed plainly; for reference."""
        queries, num_tokens, speech, num_frames = heard
        mixed = self.mixed(speech).to(queries.dtype)
        return self.align_plainly(queries, mixed, num_tokens, num_frames)

    def attention_map(self, heard: Heard) -> Float[Tensor, "batch longest_tokens longest_frames"]:
        """Return where each token listens, the mean of its heads; rows sum to 1 over frames."""
        queries, num_tokens, speech, num_frames = heard
        mixed = self.mixed(speech).to(queries.dtype)
        return self.weigh(queries, mixed, num_tokens, num_frames).mean(dim=1)

    def mixed(self, speech: Float[Tensor, "layers frames speech_dim"]) -> Speech:
        """Return the one speech feature that tokens listen to."""
        return speech[0] if self.mix is None else self.mix(speech)
