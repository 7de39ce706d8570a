"""Layers of tuned blocks for new utterances: from rows that were just encoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tokser.device import resolve_device
from tokser.durable import sha256_of_file
from tokser.encoders.upper_blocks import UpperBlocks
from tokser.errors import CheckpointError, RunError
from tokser.experiments.frames import FrameBatch
from tokser.experiments.heads.tuned.apply import tuned_layers
from tokser.experiments.heads.tuned.blocks import EncoderBlocks
from tokser.experiments.heads.tuned.checkpoint import WEIGHTS, load_tuned
from tokser.experiments.models import GroupRecipe
from tokser.extraction.stored_blocks import layer_names
from tokser.store.overflow import require_finite

__all__ = ["LoadedTuned", "TunedRows"]

BATCH_SIZE = 32
"""Utterances that go through the blocks at once, as in `tokser apply` by default."""


@dataclass(frozen=True)
class TunedRows:
    """What tuned blocks computed.

    Attributes:
        rows: Rows [rows, dim] by feature within the group, then by utterance, as a store has them.
        quarantined: Why an utterance has none.
    """

    rows: dict[str, dict[str, NDArray[Any]]]
    quarantined: dict[str, str]


@dataclass(frozen=True)
class LoadedTuned:
    """Tuned blocks of a model.

    Attributes:
        recipe: What the model uses of them.
        source: Name of the layer that they read.
        module: The blocks with their tuned weights.
        names: Name of each layer within its group, by number.
        device: Where they compute.
    """

    recipe: GroupRecipe
    source: str
    module: Any
    names: Mapping[int, str]
    device: torch.device

    @classmethod
    def load(
        cls, recipe: GroupRecipe, folder: Path, blocks: UpperBlocks, device: str
    ) -> "LoadedTuned":
        """Put the weights that lie in the model's folder into the blocks of the encoder.

        Args:
            recipe: What the model uses of them.
            folder: The checkpoint.
            blocks: Untouched.
            device: Where they compute.

        Raises:
            CheckpointError: The weights are others than the features were made with.
        """
        weights, description = load_tuned(folder)
        source = str(recipe.provenance["source_feature"])
        here = sha256_of_file(folder / WEIGHTS)
        if (here, description.source) != (recipe.weights_sha256, source):
            raise CheckpointError(
                folder,
                expected=f"blocks above {source}, sha256 {recipe.weights_sha256} as at training",
                got=f"blocks above {description.source}, sha256 {here}",
                remedy="The model's folder is damaged: copy it again.",
            )
        names = layer_names(blocks, recipe.kind)
        untouched = EncoderBlocks(blocks, source, names, str(description.encoder["weights_sha256"]))
        on = resolve_device(device)
        return cls(recipe, source, untouched.with_weights(weights.blocks).to(on), names, on)

    def layers(self, rows: Mapping[str, NDArray[Any]]) -> TunedRows:
        """Return the layers that the model reads, rounded to the type that a store holds them in.

        Args:
            rows: Rows of the source of each utterance, in the stored dtype.
        """

        def read(ids: Sequence[str]) -> FrameBatch:
            batch = FrameBatch.of([[rows[one] for one in ids]])
            return batch._replace(rows=batch.rows.to(self.device))

        ids = list(rows)
        lengths = np.array([len(rows[one]) for one in ids], dtype=np.int64)
        computed = tuned_layers(self.module, read, ids, lengths, BATCH_SIZE) if ids else {}
        found = TunedRows({}, {})
        for number, name in self.names.items():
            use = self.recipe.features.get(name)
            if use is None:
                continue
            own = found.rows.setdefault(name, {})
            for one, values in computed.get(number, {}).items():
                with np.errstate(over="ignore"):
                    stored = values.astype(use.dtype or "float16")
                try:
                    require_finite(stored, values, f"{self.recipe.name}/{name}, {one}")
                except RunError as error:
                    found.quarantined[one] = str(error)
                else:
                    own[one] = stored
        return found
