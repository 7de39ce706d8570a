"""The base of all aligners: text tokens that attend to speech frames, whatever the variant."""

import abc
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tokser.config import Settings
from tokser.pretrain.free_teacher import FreeTeacher

__all__ = ["Aligner", "AlignerInput", "LayerMix", "NoOptions"]

Speech = Float[Tensor, "frames speech_dim"]
Tokens = Float[Tensor, "tokens text_dim"]
Lengths = Int64[Tensor, " batch"]


class AlignerInput(NamedTuple):
    """What an aligner takes: tokens as queries, and the frames that they attend to.

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

    def to(self, device: torch.device) -> "AlignerInput":
        """Move the rows; lengths stay on the CPU."""
        return self._replace(
            queries=self.queries.to(device, non_blocking=True),
            speech=self.speech.to(device, non_blocking=True),
        )

    def pin_memory(self) -> "AlignerInput":
        """Move the rows into page-locked memory, from which a GPU copies while it computes."""
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
    """Base of the variants: mixes the layers, then lets tokens attend to it.

    Where it has `speech_blocks`, the upper blocks of the speech encoder, its speech is the layer
    below them: they are applied first, and trained with it. A `teacher` that is trained, too, is
    kept here and is no part of what aligns.

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
        self.speech_blocks: nn.Module | None = None
        self.teacher: FreeTeacher | None = None
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
    def attention_weights(
        self, queries: Tokens, speech: Speech, num_tokens: Lengths, num_frames: Lengths
    ) -> Float[Tensor, "batch heads longest_tokens longest_frames"]:
        """Return the attention weights of each head; rows sum to 1 over frames."""

    def forward(self, inputs: AlignerInput) -> Tokens:
        """Return the student B_s, a row for each token, utterance after utterance."""
        queries, num_tokens, speech, num_frames = inputs
        return self.align(queries, self.mixed(speech, num_frames), num_tokens, num_frames)

    def forward_plainly(self, inputs: AlignerInput) -> Tokens:
        """Return what `forward` returns, computed plainly; for reference."""
        queries, num_tokens, speech, num_frames = inputs
        mixed = self.mixed(speech, num_frames).to(queries.dtype)
        return self.align_plainly(queries, mixed, num_tokens, num_frames)

    def attention_map(
        self, inputs: AlignerInput
    ) -> Float[Tensor, "batch longest_tokens longest_frames"]:
        """Return each token's attention weights, the mean of its heads; rows sum to 1."""
        queries, num_tokens, speech, num_frames = inputs
        mixed = self.mixed(speech, num_frames).to(queries.dtype)
        return self.attention_weights(queries, mixed, num_tokens, num_frames).mean(dim=1)

    def mixed(
        self, speech: Float[Tensor, "layers frames speech_dim"], num_frames: Lengths
    ) -> Speech:
        """Return the one speech feature that tokens attend to."""
        found: Speech = speech[0] if self.mix is None else self.mix(speech)
        if self.speech_blocks is None:
            return found
        blocks: Any = self.speech_blocks
        layers: dict[int, Speech] = blocks.ragged(found.float(), num_frames.tolist())
        return layers[max(layers)]
