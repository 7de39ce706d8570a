"""Which features are made of an encoder's activations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokser.encoders.base import StoredDtype

__all__ = ["TOKEN_IDS", "WORD", "FeatureSpecs"]

TOKEN_IDS, WORD = "token_ids", "word"
"""Features of a text encoder in addition to its layers."""


@dataclass(frozen=True)
class FeatureSpecs:
    """The features of one encoder.

    Attributes:
        layers: Number of each layer that is stored, by the name of its feature.
        dtype: Type of the stored rows.
        functionals_only: Whether mean and standard deviation are stored instead of rows. They are
            taken over the rows in `dtype`, so they equal those of `pool`.
        utterance_level: Whether each utterance has one row, which is kept among the functionals as
            it is.
    """

    layers: Mapping[str, int]
    dtype: StoredDtype
    functionals_only: bool = False
    utterance_level: bool = False

    def layers_of(self, features: Sequence[str]) -> list[int]:
        """Numbers of the layers that features are made of; none for token ids and words."""
        return [self.layers[name] for name in features if name in self.layers]
