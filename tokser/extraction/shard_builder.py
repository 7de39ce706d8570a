"""A shard in memory, from its first batch until it is committed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from tokser.corpora.waveform import Fingerprint
from tokser.encoders.base import PendingOutput
from tokser.extraction.extractor import Extractor
from tokser.extraction.feature_specs import WORD
from tokser.extraction.load_batches import LoadedBatch, Utterances
from tokser.extraction.pending_group import PendingGroup
from tokser.functionals.moments import mean_std
from tokser.store import Recording
from tokser.store.overflow import all_finite, require_finite

__all__ = ["ShardBuilder"]


@dataclass
class ShardBuilder:
    """Collects the rows of a shard, batch by batch.

    Attributes:
        shard: Its number.
        features: The features that it lacks.
        utterances: Its utterances.
        of: The group that lacks it.
        num_batches_left: Batches whose rows are not there yet.
    """

    shard: int
    features: Sequence[str]
    utterances: Utterances
    of: PendingGroup
    num_batches_left: int = 0
    _rows: dict[int, dict[int, NDArray[Any]]] = field(default_factory=dict)
    _quarantined: dict[int, str] = field(default_factory=dict)
    _fingerprints: dict[int, Fingerprint] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._quarantined |= self.utterances.quarantined

    @property
    def extractor(self) -> Extractor:
        """The encoder and its features."""
        return self.of.extractor

    @cached_property
    def layers(self) -> list[int]:
        """Layers that its batches are run for; none if no feature needs the model."""
        return self.extractor.specs.layers_of(self.features)

    def add(self, loaded: LoadedBatch, output: PendingOutput | None, where: str) -> None:
        """Add the rows of one batch.

        Args:
            loaded: The batch.
            output: What the model computed; None if nothing of the batch could be read.
            where: The store and group, for messages.

        Raises:
            RunError: A value is not finite, or beyond the range of the stored dtype.
        """
        self._quarantined |= loaded.quarantined
        self._fingerprints |= loaded.fingerprints
        if output is not None:
            for number, (place, rows) in enumerate(zip(loaded.places, output.fetch(), strict=True)):
                for layer, block in rows.items():
                    if not all_finite(block):
                        here = f"{where}, layer {layer}, {self.utterances.ids[place]}"
                        require_finite(block, output.before_cast(number, layer), here)
                specs = self.extractor.specs
                pools = specs.functionals_only and not specs.utterance_level
                self._rows[place] = {
                    layer: mean_std(block)[None] if pools else block
                    for layer, block in rows.items()
                }
        self.num_batches_left -= 1

    @property
    def rows(self) -> dict[str, list[NDArray[Any] | None]]:
        """Rows of every utterance, by feature, as `GroupWriter.commit` takes them."""
        places = range(len(self.utterances.ids))
        return {name: [self._value(name, place) for place in places] for name in self.features}

    @property
    def quarantined(self) -> dict[str, str]:
        """Reasons of the quarantined utterances, by id."""
        ids, reasons = self.utterances.ids, self._quarantined
        return {ids[place]: reasons[place] for place in sorted(reasons)}

    @property
    def recordings(self) -> list[Recording]:
        """Checksum and modification time of each recording, for a speech encoder."""
        if self.extractor.encoder.kind == "text":
            return []
        found = self._fingerprints
        places = range(len(self.utterances.ids))
        return [Recording(*found[i]) if i in found else Recording("", 0) for i in places]

    def _value(self, feature: str, place: int) -> NDArray[Any] | None:
        if place in self._quarantined:
            return None
        layers = self.extractor.specs.layers
        if feature in layers:
            return self._rows[place][layers[feature]]
        token_ids = self.utterances.token_ids[place]
        if feature == WORD:  # as functionals; its rows are a lookup, see `put_word_table`
            return mean_std(self.extractor.word_rows(token_ids))[None]
        return token_ids
