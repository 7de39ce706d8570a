"""A loaded encoder with its features: runs batches, or some utterances here and now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.encoders import SpeechEncoder, TextEncoder
from tokser.encoders.base import Activations, PendingOutput
from tokser.extraction.feature_specs import FeatureSpecs
from tokser.extraction.load_batches import LoadedBatch, Utterances, group_into_batches, load_batch

__all__ = ["Encoded", "Extractor"]

OnUtterances = Callable[[int], None]


@dataclass
class Encoded:
    """By place: activations in fp32, and why an utterance has none."""

    activations: dict[int, Activations] = field(default_factory=dict)
    quarantined: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Extractor:
    """A loaded encoder, the features that are made of it, and the size of its batches.

    Attributes:
        encoder: The frozen model.
        specs: Its features.
        batch_seconds: Largest amount of audio in one batch, padding included, in seconds.
    """

    encoder: SpeechEncoder | TextEncoder
    specs: FeatureSpecs
    batch_seconds: float

    def forward(self, loaded: LoadedBatch, layers: Sequence[int]) -> PendingOutput | None:
        """Run the model on a batch, for rows in the stored dtype; None if the batch is empty."""
        if not loaded.places:
            return None
        return self.encoder.forward(loaded.prepared, layers, self.specs.dtype)

    def encode(
        self,
        utterances: Utterances,
        layers: Sequence[int],
        on_utterances: OnUtterances = lambda count: None,
    ) -> Encoded:
        """Read and encode utterances one batch after the other, in this thread.

        Args:
            utterances: The utterances.
            layers: Numbers of the layers to return, in fp32.
            on_utterances: Called with the number of utterances done since the last call.
        """
        found = Encoded()
        for places in group_into_batches(self.encoder, utterances, self.batch_seconds):
            loaded = load_batch(self.encoder, utterances, places)
            found.quarantined |= loaded.quarantined
            if loaded.places:
                output = self.encoder.forward(loaded.prepared, layers, "float32")
                found.activations |= dict(zip(loaded.places, output.fetch(), strict=True))
            on_utterances(len(places))
        return found

    def word_rows(self, token_ids: NDArray[np.int32]) -> NDArray[Any]:
        """Return the rows [tokens, dim] of the word-embedding table, in the stored dtype."""
        if self.encoder.kind != "text":
            raise TypeError(f"{self.encoder.name} is not a text encoder")
        return self.encoder.word_embeddings(token_ids).astype(self.specs.dtype)
