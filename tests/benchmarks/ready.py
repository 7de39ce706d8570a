"""One encoder over one corpus, its model loaded, so that only the extraction itself is timed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tokser.config import ExtractSettings
from tokser.extraction.load_batches import (
    LoadedBatch,
    Utterances,
    group_into_batches,
    load_batch,
)
from tokser.extraction.pending_group import PendingGroup
from tokser.extraction.plan import plan_extraction
from tokser.extraction.progress import ExtractionProgress, ProgressReporter
from tokser.extraction.run_shards import run_shards
from tokser.store import StoreWriter, pack_plan

__all__ = ["Ready"]


class Ready:
    """An extraction that can be run again and again, and the bare batches that it consists of.

    Attributes:
        paths: The recordings, in the store's order.
        num_samples: Length of each at 16 kHz.
    """

    def __init__(self, root: Path, encoder: Path, **options: Any) -> None:
        settings = ExtractSettings(
            dataset="emodb", root=root, store="", encoders=(str(encoder),), **options
        )
        self._manifest, (self._plan,) = plan_extraction(settings)
        self._extractor, self._encoder = self._plan.extractor, self._plan.encoder
        self._layers = list(self._extractor.specs.layers.values())
        self.paths = [root / path for path in self._manifest.table["path"]]
        self.num_samples = self._plan.num_samples.tolist()
        self._encoder.encode([np.zeros(16_000, dtype=np.float32)], self._layers)  # loads weights
        self._batches: list[LoadedBatch] = []

    def fresh(self, store: Path) -> None:
        """Extract into a store that is not there yet."""
        manifest, plan = self._manifest, self._plan
        with StoreWriter(
            store,
            dataset=manifest.dataset,
            manifest_text=manifest.csv_text(),
            manifest_digest=manifest.digest,
        ) as writer:
            group = writer.plan_group(plan.group)

            def utterances_of(shard: int) -> Utterances:
                return plan.utterances(range(*group.layout.shard_utterances(shard)))

            progress = ExtractionProgress(len(self.paths), group.layout.num_shards)
            reporter = ProgressReporter("", progress, every_s=np.inf)
            claims = group.claim(group.pending())
            run_shards([PendingGroup(self._extractor, group, claims, utterances_of, reporter)])

    def bare(self) -> None:
        """Run the same batches on features that are ready, and drop the outputs."""
        self._batches = self._batches or self.load()
        for loaded in self._batches:
            self._extractor.forward(loaded, self._layers)

    def load(self) -> list[LoadedBatch]:
        """Read all recordings, and prepare their batches, in one thread."""
        return [load_batch(self._encoder, of, places) for of, places in self._grouped()]

    def padding_waste(self) -> float:
        """Share of all batches that is padding."""
        padded = filled = 0
        for utterances, places in self._grouped():
            lengths = [utterances.num_samples[place] for place in places]
            padded += max(lengths) * len(lengths)
            filled += sum(lengths)
        return 1 - filled / padded

    def _grouped(self) -> Iterator[tuple[Utterances, list[int]]]:
        layout = pack_plan(self._plan.group)
        for shard in range(layout.num_shards):
            utterances = self._plan.utterances(range(*layout.shard_utterances(shard)))
            seconds = self._extractor.batch_seconds
            for places in group_into_batches(self._encoder, utterances, seconds):
                yield utterances, places
