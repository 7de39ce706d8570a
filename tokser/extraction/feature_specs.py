"""How the features of a group are made of what an encoder gives, shard by shard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tokser.config import ExtractSettings
from tokser.corpora.waveform import Fingerprint
from tokser.device import resolve_device, suited_batch_seconds
from tokser.encoders import SpeechEncoder, TextEncoder
from tokser.encoders.base import Landing, StoredDtype
from tokser.extraction.batches import Loaded, Part
from tokser.functionals.moments import mean_std
from tokser.store import Recording
from tokser.store.overflow import all_finite, require_finite

__all__ = ["TOKEN_IDS", "WORD", "Filling", "Recipe"]

TOKEN_IDS, WORD = "token_ids", "word"


@dataclass(frozen=True)
class Recipe:
    """How one encoder's features are made.

    Attributes:
        encoder: The frozen model.
        layers: Number of each layer that is kept, by its feature's name.
        dtype: Type of stored rows.
        batch_seconds: Audio of one pass at most, padding included, in seconds.
        functionals_only: Whether mean and standard deviation are kept instead of rows. They are
            taken of the rows as they would have been stored, so they equal those of `pool`.
    """

    encoder: SpeechEncoder | TextEncoder
    layers: Mapping[str, int]
    dtype: StoredDtype
    batch_seconds: float
    functionals_only: bool = False

    @classmethod
    def of(
        cls,
        encoder: SpeechEncoder | TextEncoder,
        layers: Mapping[str, int],
        settings: ExtractSettings,
    ) -> Self:
        """Return what settings ask for; a pass suits the device here if they name no size."""
        return cls(
            encoder,
            layers,
            settings.dtype,
            settings.batch_seconds or suited_batch_seconds(resolve_device(settings.device)),
            settings.functionals_only,
        )

    def layers_of(self, features: Sequence[str]) -> list[int]:
        """Numbers of the layers that features need a pass for."""
        return [self.layers[name] for name in features if name in self.layers]

    def word_rows(self, token_ids: NDArray[np.int32]) -> NDArray[Any]:
        """Return the rows [tokens, dim] of the word-embedding table, as they are stored."""
        if self.encoder.kind != "text":
            raise TypeError(f"{self.encoder.name} reads no text")
        return self.encoder.word_embeddings(token_ids).astype(self.dtype)


@dataclass
class Filling:
    """A shard on its way: what it is to hold, and what of that is there.

    Attributes:
        shard: Its number.
        features: What it lacks.
        part: Its utterances.
        recipe: How its features are made.
        num_passes_left: Passes whose rows are not there yet.
    """

    shard: int
    features: Sequence[str]
    part: Part
    recipe: Recipe
    num_passes_left: int = 0
    _rows: dict[int, dict[int, NDArray[Any]]] = field(default_factory=dict)
    _reasons: dict[int, str] = field(default_factory=dict)
    _fingerprints: dict[int, Fingerprint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._reasons |= self.part.reasons

    @cached_property
    def layers(self) -> list[int]:
        """Layers that its passes are run for."""
        return self.recipe.layers_of(self.features)

    def add(self, loaded: Loaded, landing: Landing | None, where: str) -> None:
        """Take in the rows of one pass.

        Args:
            loaded: What was encoded.
            landing: What came of it.
            where: The store and group, for messages.

        Raises:
            RunError: A value is not finite, or not in the stored dtype.
        """
        self._reasons |= loaded.reasons
        self._fingerprints |= loaded.fingerprints
        if landing is not None:
            for number, (place, rows) in enumerate(zip(loaded.places, landing.rows(), strict=True)):
                for layer, block in rows.items():
                    if not all_finite(block):
                        here = f"{where}, layer {layer}, {self.part.ids[place]}"
                        require_finite(block, landing.exact(number, layer), here)
                self._rows[place] = {
                    layer: mean_std(block)[None] if self.recipe.functionals_only else block
                    for layer, block in rows.items()
                }
        self.num_passes_left -= 1

    @property
    def rows(self) -> dict[str, list[NDArray[Any] | None]]:
        """Rows of every utterance, by feature, as `GroupWriter.commit` takes them."""
        places = range(len(self.part.ids))
        return {name: [self._value(name, place) for place in places] for name in self.features}

    @property
    def quarantined(self) -> dict[str, str]:
        """Reasons of the utterances that were set aside, by id."""
        return {self.part.ids[place]: self._reasons[place] for place in sorted(self._reasons)}

    @property
    def recordings(self) -> list[Recording]:
        """What each recording was, for a speech encoder."""
        if self.recipe.encoder.kind == "text":
            return []
        found = self._fingerprints
        places = range(len(self.part.ids))
        return [Recording(*found[i]) if i in found else Recording("", 0) for i in places]

    def _value(self, feature: str, place: int) -> NDArray[Any] | None:
        if place in self._reasons:
            return None
        if feature in self.recipe.layers:
            return self._rows[place][self.recipe.layers[feature]]
        token_ids = self.part.token_ids[place]
        if feature == WORD:  # with functionals alone; otherwise it is a lookup
            return mean_std(self.recipe.word_rows(token_ids))[None]
        return token_ids
