"""Batches of speech, queries and teacher, gathered from a store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float32, Int64
from numpy.typing import NDArray
from torch import Tensor

from tokser.errors import InputError, RunError
from tokser.pretrain.aligner import AlignerInput
from tokser.pretrain.buffers import Buffers
from tokser.store.gather import Allocate

__all__ = ["Batch", "DevBatch", "FeatureSource", "Pairs"]


@runtime_checkable
class FeatureSource(Protocol):
    """What batches need of a feature; `tokser.store.Layer` has it."""

    name: str

    @property
    def dim(self) -> int:
        """Numbers in a row."""

    @property
    def ids(self) -> list[str]:
        """Usable utterances."""

    @property
    def lengths(self) -> "pd.Series[int]":
        """Rows of each usable utterance."""

    def ragged(self, utterances: Sequence[str], allocate: Allocate = ...) -> "Rows":
        """Rows of utterances, one after the other, in an array that `allocate` makes."""


class Rows(Protocol):
    """Rows of utterances, one after the other; `tokser.store.RaggedBatch` is that."""

    @property
    def rows(self) -> Any:
        """[rows of all, dim], an array that may be written to, or a tensor."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each, [utterances]."""


class Batch(NamedTuple):
    """Rows of a few utterances, one after the other.

    Attributes:
        ids: The utterances.
        inputs: Queries T and speech S.
        teacher: B, float32, as many rows as T.
        below: The layer that a trained teacher starts from, with [CLS] and [SEP]; None: it is
            frozen.
        below_lengths: Tokens of each utterance in it; on the CPU.
    """

    ids: list[str]
    inputs: AlignerInput
    teacher: Float32[Tensor, "tokens text_dim"]
    below: Float32[Tensor, "all_tokens text_dim"] | None = None
    below_lengths: Int64[Tensor, " batch"] | None = None

    def to(self, device: torch.device) -> "Batch":
        """Move the rows; ids and lengths stay."""
        teacher = self.teacher.to(device, non_blocking=True)
        below = None if self.below is None else self.below.to(device, non_blocking=True)
        return self._replace(inputs=self.inputs.to(device), teacher=teacher, below=below)

    def pin_memory(self) -> "Batch":
        """Move the rows into page-locked memory, from which a GPU copies while it computes."""
        below = None if self.below is None else self.below.pin_memory()
        return self._replace(
            inputs=self.inputs.pin_memory(), teacher=self.teacher.pin_memory(), below=below
        )

    @property
    def num_tokens(self) -> Int64[Tensor, " batch"]:
        """Tokens of each utterance."""
        return self.inputs.num_tokens


class DevBatch(NamedTuple):
    """The same utterances twice: with matched and with mismatched speech."""

    matched: Batch
    """Each utterance with its own speech."""
    mismatched: Batch
    """Each utterance with the speech of another."""

    def to(self, device: torch.device) -> "DevBatch":
        """Move the tensors."""
        return DevBatch(self.matched.to(device), self.mismatched.to(device))


@dataclass(frozen=True)
class Pairs:
    """Utterances that have speech and text, and where their rows are.

    Attributes:
        speech: S, one layer or several of one encoder.
        queries: T.
        teacher: B.
        special_tokens: Whether the first and last token, [CLS] and [SEP], take part.
        below: The layer of the teacher's encoder that its trained blocks start from, if any.
    """

    speech: tuple[FeatureSource, ...]
    queries: FeatureSource
    teacher: FeatureSource
    special_tokens: bool
    below: FeatureSource | None = None
    buffers: Buffers = field(default_factory=Buffers)
    """Memory that batches share, one after the other."""

    @cached_property
    def num_frames(self) -> "pd.Series[int]":
        """Frames of each utterance, index = id."""
        return self.speech[0].lengths

    @cached_property
    def num_tokens(self) -> "pd.Series[int]":
        """Tokens of each utterance that take part, index = id."""
        return self.teacher.lengths - (0 if self.special_tokens else 2)

    def ids(self) -> list[str]:
        """Return the utterances that have all three and a token left, in store order.

        Raises:
            InputError: There is none.
        """
        usable = [set(source.ids) for source in (*self.speech[1:], self.queries, self.teacher)]
        counts = self.num_tokens.to_dict()
        found = [
            name
            for name in self.speech[0].ids
            if all(name in ids for ids in usable) and counts[name] > 0
        ]
        if not found:
            raise InputError(
                f"{self.speech[0].name} with {self.teacher.name}",
                expected="utterances that have speech and a transcript",
                got="none",
                remedy="Extract a corpus with transcripts, e.g. LibriSpeech.",
            )
        return found

    def gather(self, ids: Sequence[str], speech_of: Mapping[str, str] | None = None) -> Batch:
        """Read utterances.

        Args:
            ids: Utterances.
            speech_of: Whose frames each of them attends to; its own by default.
        """
        ids = list(ids)
        sources = ids if speech_of is None else [speech_of[name] for name in ids]
        layers = [source.ragged(sources, self.buffers.take) for source in self.speech]
        speech = [torch.as_tensor(layer.rows) for layer in layers]
        queries, teacher = self.queries.ragged(ids), self.teacher.ragged(ids)
        num_tokens = torch.from_numpy(teacher.lengths)
        inner: Tensor | slice = slice(None)
        if not self.special_tokens:
            inner = ~_first_and_last(num_tokens)
            num_tokens = num_tokens - 2
        inputs = AlignerInput(
            torch.as_tensor(queries.rows).float()[inner],
            num_tokens,
            speech[0][None] if len(speech) == 1 else torch.stack(speech),
            torch.from_numpy(layers[0].lengths),
        )
        found = Batch(ids, inputs, torch.as_tensor(teacher.rows).float()[inner])
        if self.below is None:
            return found
        below = self.below.ragged(ids)
        return found._replace(
            below=torch.as_tensor(below.rows).float(),
            below_lengths=torch.from_numpy(below.lengths),
        )

    def require_finite(self, batch: Batch) -> None:
        """Raise, naming the feature and the utterance, if a row of a batch is not finite.

        A row that is not finite makes its tokens' students and so the loss not finite: this is
        called only then, and costs nothing in normal training.

        Raises:
            RunError: A row is NaN or infinite.
        """
        inputs, lengths = batch.inputs, (batch.inputs.num_frames, batch.inputs.num_tokens)
        layers = zip(self.speech, inputs.speech, strict=True)
        features = [(source, rows, lengths[0]) for source, rows in layers]
        features += [(self.queries, inputs.queries, lengths[1])]
        features += [(self.teacher, batch.teacher, lengths[1])]
        for source, rows, counts in features:
            for name, part in zip(batch.ids, rows.split(counts.tolist()), strict=True):
                if not bool(part.isfinite().all()):
                    raise RunError(
                        f"{source.name}, {name}",
                        expected="finite activations",
                        got="NaN or infinity",
                        remedy="Run `tokser store verify`, and extract the feature again.",
                    )


def _first_and_last(lengths: Int64[Tensor, " batch"]) -> Bool[Tensor, " rows"]:
    """True at the first and the last row of each utterance."""
    ends = lengths.cumsum(0)
    found = torch.zeros(int(lengths.sum()), dtype=torch.bool)
    found[ends - lengths] = True
    found[ends - 1] = True
    return found
