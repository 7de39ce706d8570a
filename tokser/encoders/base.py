"""What every encoder offers, whatever model is inside."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tokser.config import PrecisionName

__all__ = [
    "CONTEXTUAL",
    "LAST",
    "PRECISIONS",
    "Activations",
    "Encoder",
    "SpeechEncoder",
    "StoredDtype",
    "StoredRows",
    "TextEncoder",
    "precision_of",
]

PRECISIONS: dict[PrecisionName, str] = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Number type of an encoder's weights and products, as provenance names it."""

Activations: TypeAlias = dict[int, NDArray[np.float32]]
"""Rows [rows, dim] of one utterance, by layer: 0 is the embedding output, 1..L the blocks, L + 1
the last hidden state of an encoder whose `separate_last` is true."""

StoredDtype: TypeAlias = Literal["float16", "float32"]
StoredRows: TypeAlias = dict[int, NDArray[Any]]
"""The same in the type they are to be stored in."""


LAST = "last"
"""Name of the last hidden state: in `--layers`, and of the feature where it is a layer apart."""
CONTEXTUAL = "contextual"
"""Name of a text encoder's last hidden state as a feature: B, the teacher."""


class PendingOutput(Protocol):
    """The output of one batch, which may still be on its way from the device."""

    @property
    def num_bytes(self) -> int:
        """Memory that it holds until it is fetched."""

    def fetch(self) -> list[StoredRows]:
        """Wait for it, and return [rows, dim] by layer for each utterance."""

    def before_cast(self, utterance: int, layer: int) -> NDArray[np.float32]:
        """Return the rows of one utterance in fp32, before the cast to the stored dtype."""


@runtime_checkable
class Encoder(Protocol):
    """What speech and text encoders share; `layers` says what more they may state.

    Attributes:
        name: Name of the model, as features will carry it.
        dim: Width D of the activations.
        num_layers: Number of blocks L.
        separate_last: Whether the model's last hidden state differs from layer L: layer L is then
            the last block's output, and L + 1 the same after the model's final norm.
    """

    name: str
    dim: int
    num_layers: int
    separate_last: bool

    def provenance(self) -> dict[str, Any]:
        """Everything that decides the activations: model, weights, preprocessing, precision."""

    def prepare(self, inputs: Any) -> Any:
        """Turn waveforms or token ids into the batch that `forward` takes; thread-safe."""

    def forward(self, prepared: Any, layers: Sequence[int], dtype: StoredDtype) -> PendingOutput:
        """Run the model on one batch; on a GPU, return before it has finished."""


@runtime_checkable
class SpeechEncoder(Encoder, Protocol):
    """Frames from waveforms of 16 kHz."""

    kind: Literal["speech"]
    min_samples: int
    """Shortest waveform that has a frame, in samples."""

    def provenance_of_long(self, num_samples: int) -> dict[str, Any]:
        """Further provenance of a corpus whose longest recording has `num_samples` samples."""

    def num_frames(self, num_samples: int) -> int:
        """Frames of a waveform of `num_samples` samples."""

    def batches(self, num_samples: Sequence[int], batch_seconds: float) -> list[list[int]]:
        """Group waveforms, by position, into batches that do not change their activations.

        Args:
            num_samples: Length of each waveform, in samples.
            batch_seconds: Largest amount of audio in one batch, padding included, in seconds.
        """

    def encode(
        self, waveforms: Sequence[NDArray[np.float32]], layers: Sequence[int]
    ) -> list[Activations]:
        """Run the model on one batch.

        Args:
            waveforms: Mono, 16 kHz, float32 [num_samples] each.
            layers: Which layers to return.

        Returns:
            [num_frames, dim] per layer, for each waveform.
        """


@runtime_checkable
class TextEncoder(Encoder, Protocol):
    """Token activations from transcripts."""

    kind: Literal["text"]
    max_tokens: int
    """Longest sequence that the model takes, special tokens included."""

    def tokenize(self, transcripts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Return the token ids of each transcript, special tokens included."""

    def encode(
        self, token_ids: Sequence[NDArray[np.int32]], layers: Sequence[int]
    ) -> list[Activations]:
        """Run the model on one batch; returns [num_tokens, dim] per layer for each sequence."""

    def word_embeddings(self, token_ids: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the rows [ids, dim] of the word-embedding table."""

    def token_texts(self, token_ids: NDArray[np.int32]) -> list[str]:
        """Return the text of each token id, as the vocabulary spells it."""


def precision_of(provenance: Mapping[str, Any]) -> PrecisionName:
    """Read the precision back that provenance names; fp32 if it names none."""
    named = provenance.get("precision", "float32")
    return next(precision for precision, name in PRECISIONS.items() if name == named)
