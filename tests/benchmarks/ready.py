"""One encoder over one corpus, its model loaded, so that only the work itself is timed."""

from pathlib import Path
from typing import Any

import numpy as np

from tokser.config import ExtractSettings
from tokser.extraction.batches import Loaded, cut_passes, launch_pass, load_pass
from tokser.extraction.plan import plan_works
from tokser.extraction.progress import Meter, Pace
from tokser.extraction.run_shards import run_shards
from tokser.store import StoreWriter, pack_plan

__all__ = ["Ready"]


class Ready:
    """An extraction that can be run again and again, and the bare passes that it consists of.

    Attributes:
        paths: The recordings, in the store's order.
        num_samples: Length of each at 16 kHz.
    """

    def __init__(self, root: Path, encoder: Path, **options: Any) -> None:
        settings = ExtractSettings(
            dataset="emodb", root=root, store="", encoders=(str(encoder),), **options
        )
        self._manifest, (self._work,) = plan_works(settings)
        self._recipe, self._encoder = self._work.recipe, self._work.encoder
        self._layers = list(self._recipe.layers.values())
        self.paths = [root / path for path in self._manifest.table["path"]]
        self.num_samples = self._work.num_samples.tolist()
        self._encoder.encode([np.zeros(16_000, dtype=np.float32)], self._layers)  # loads weights
        self._passes: list[Loaded] = []

    def fresh(self, store: Path) -> None:
        """Extract into a store that is not there yet."""
        manifest, work = self._manifest, self._work
        with StoreWriter(
            store,
            dataset=manifest.dataset,
            manifest_text=manifest.csv_text(),
            manifest_digest=manifest.digest,
        ) as writer:
            group = writer.plan_group(work.plan)

            def part_of(shard: int):
                return work.part(range(*group.layout.shard_utterances(shard)))

            meter = Meter("", Pace(len(self.paths), group.layout.num_shards), every_s=np.inf)
            run_shards(self._recipe, group, group.claim(group.pending()), part_of, meter)

    def bare(self) -> None:
        """Run the same passes on features that are ready, and drop what comes of them."""
        self._passes = self._passes or self.load()
        for loaded in self._passes:
            launch_pass(self._encoder, loaded, self._layers, self._recipe.dtype)

    def load(self) -> list[Loaded]:
        """Read all recordings, and make them ready for their passes, in one thread."""
        return [load_pass(self._encoder, part, places) for part, places in self._cut()]

    def padding_waste(self) -> float:
        """Share of all passes that is padding."""
        padded = filled = 0
        for part, places in self._cut():
            lengths = [part.num_samples[place] for place in places]
            padded += max(lengths) * len(lengths)
            filled += sum(lengths)
        return 1 - filled / padded

    def _cut(self):
        layout = pack_plan(self._work.plan)
        for shard in range(layout.num_shards):
            part = self._work.part(range(*layout.shard_utterances(shard)))
            for places in cut_passes(self._encoder, part, self._recipe.batch_seconds):
                yield part, places
