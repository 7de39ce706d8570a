"""Aligned features of new utterances: a trained aligner on rows that were just encoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokser.device import resolve_device
from tokser.errors import CheckpointError
from tokser.experiments.models import GroupRecipe
from tokser.pretrain.align import align_utterances
from tokser.pretrain.aligner import Aligner
from tokser.pretrain.batches import Pairs
from tokser.pretrain.checkpoint import WEIGHTS, AlignerDescription, load_aligner
from tokser.pretrain.tuned_blocks import BlocksAbove, no_blocks
from tokser.provenance import sha256_of_file
from tokser.store.gather import Allocate, RaggedBatch

__all__ = ["LoadedAligner"]

BATCH_SIZE = 64
"""Utterances that are aligned at once."""

RowsById = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class LoadedAligner:
    """An aligner of a model.

    Attributes:
        recipe: What the model uses of it.
        aligner: The network.
        description: Which features it reads.
    """

    recipe: GroupRecipe
    aligner: Aligner
    description: AlignerDescription

    @classmethod
    def load(
        cls,
        recipe: GroupRecipe,
        folder: Path,
        device: str,
        blocks_above: BlocksAbove = no_blocks,
    ) -> "LoadedAligner":
        """Load the checkpoint that lies in the model's folder.

        Args:
            recipe: What the model uses of it.
            folder: The checkpoint.
            device: Where it aligns.
            blocks_above: Returns the blocks of an encoder that were trained with the aligner.

        Raises:
            CheckpointError: It has other weights than the features were made with.
        """
        aligner, description = load_aligner(folder, blocks_above)
        here = sha256_of_file(folder / WEIGHTS)
        if here != recipe.weights_sha256:
            raise CheckpointError(
                folder,
                expected=f"weights_sha256 {recipe.weights_sha256} as at training",
                got=here,
                remedy="The model's folder is damaged: copy it again.",
            )
        return cls(recipe, aligner.to(resolve_device(device)), description)

    @property
    def reads(self) -> list[str]:
        """Names of the features that it reads."""
        return ",".join(self.description.features.values()).split(",")

    def align(self, rows: Mapping[str, RowsById]) -> dict[str, NDArray[np.float16]]:
        """Return the student tokens [tokens, dim] of each utterance, as a store would have them.

        Args:
            rows: Rows of each feature that it reads, by utterance, in the stored dtype.
        """
        queries, teacher = (self.description.features[role] for role in ("queries", "teacher"))
        speech = tuple(_Rows(name, rows[name]) for name in self.description.speech)
        pairs = Pairs(
            speech,
            _Rows(queries, rows[queries]),
            _Rows(teacher, rows[teacher]),
            self.description.special_tokens,
        )
        shared = set.intersection(*(set(rows[name]) for name in self.reads))
        fewest = 0 if self.description.special_tokens else 2
        ids = [
            name for name in speech[0].ids if name in shared and len(rows[teacher][name]) > fewest
        ]
        if not ids:
            return {}
        aligned = align_utterances(self.aligner, pairs, ids, BATCH_SIZE)
        return {name: found.astype(np.float16) for name, found in aligned.items()}


class _Rows:
    """Rows of a feature in memory, as batches of pairs take them."""

    def __init__(self, name: str, rows: RowsById) -> None:
        self.name, self._rows = name, rows

    @property
    def dim(self) -> int:
        return int(next(iter(self._rows.values())).shape[1])

    @property
    def ids(self) -> list[str]:
        return list(self._rows)

    @property
    def lengths(self) -> "pd.Series[int]":
        return pd.Series({name: len(rows) for name, rows in self._rows.items()}, dtype="int64")

    def ragged(self, utterances: Sequence[str], allocate: Allocate = np.empty) -> RaggedBatch:
        parts = [self._rows[name] for name in utterances]
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        out = allocate((int(lengths.sum()), self.dim), parts[0].dtype)
        np.concatenate(parts, out=out)
        return RaggedBatch(out, lengths)
