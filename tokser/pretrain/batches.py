"""Batches of speech, queries and teacher, gathered from a store."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tokser.errors import InputError, RunError

__all__ = ["Batch", "DevBatch", "FeatureSource", "Pairs", "bucketed_batches", "in_order"]


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

    def __getitem__(self, utterance: str) -> NDArray[Any]:
        """Rows of an utterance, [rows, dim]."""


class Batch(NamedTuple):
    """Padded tensors of a few utterances."""

    ids: list[str]
    speech: Float32[Tensor, "batch frames speech_dim"]
    num_frames: Int64[Tensor, " batch"]
    queries: Float32[Tensor, "batch tokens text_dim"]
    teacher: Float32[Tensor, "batch tokens text_dim"]
    num_tokens: Int64[Tensor, " batch"]

    def to(self, device: torch.device) -> "Batch":
        """Move the tensors; the ids stay."""
        ids, *tensors = self
        return Batch(ids, *(tensor.to(device) for tensor in tensors))

    def token_mask(self) -> Tensor:
        """True where a token is no padding, [batch, tokens]."""
        places = torch.arange(self.queries.shape[1], device=self.num_tokens.device)
        return places < self.num_tokens[:, None]


class DevBatch(NamedTuple):
    """The same utterances twice: with their own speech, and with that of others."""

    right: Batch
    wrong: Batch

    def to(self, device: torch.device) -> "DevBatch":
        """Move the tensors."""
        return DevBatch(self.right.to(device), self.wrong.to(device))


@dataclass(frozen=True)
class Pairs:
    """Utterances that have speech and text, and where their rows are.

    Attributes:
        speech: S.
        queries: T.
        teacher: B.
        special_tokens: Whether the first and last token, [CLS] and [SEP], take part.
    """

    speech: FeatureSource
    queries: FeatureSource
    teacher: FeatureSource
    special_tokens: bool

    def ids(self) -> list[str]:
        """Return the utterances that have all three and a token left, in store order.

        Raises:
            InputError: There is none.
        """
        with_text = set(self.teacher.ids) & set(self.queries.ids)
        counts = self.num_tokens().to_dict()
        found = [name for name in self.speech.ids if name in with_text and counts[name] > 0]
        if not found:
            raise InputError(
                f"{self.speech.name} with {self.teacher.name}",
                expected="utterances that have speech and a transcript",
                got="none",
                remedy="Extract a corpus with transcripts, e.g. LibriSpeech.",
            )
        return found

    def num_tokens(self) -> "pd.Series[int]":
        """Tokens of each utterance that take part, index = id."""
        return self.teacher.lengths - (0 if self.special_tokens else 2)

    def gather(self, ids: Sequence[str], speech_of: Mapping[str, str] | None = None) -> Batch:
        """Read utterances and pad them.

        Args:
            ids: Utterances.
            speech_of: Whose frames each of them hears; its own by default.

        Raises:
            RunError: A row is not finite; the utterance is named.
        """
        heard = ids if speech_of is None else [speech_of[name] for name in ids]
        speech = [self._rows(self.speech, name) for name in heard]
        inner = slice(None) if self.special_tokens else slice(1, -1)
        queries = [self._rows(self.queries, name)[inner] for name in ids]
        teacher = [self._rows(self.teacher, name)[inner] for name in ids]
        return Batch(
            list(ids),
            pad_sequence(speech, batch_first=True),
            torch.tensor([len(rows) for rows in speech]),
            pad_sequence(queries, batch_first=True),
            pad_sequence(teacher, batch_first=True),
            torch.tensor([len(rows) for rows in queries]),
        )

    @staticmethod
    def _rows(source: FeatureSource, utterance: str) -> Tensor:
        rows = torch.from_numpy(source[utterance].astype(np.float32))
        if not bool(rows.isfinite().all()):
            raise RunError(
                f"{source.name}, {utterance}",
                expected="finite activations",
                got="NaN or infinity",
                remedy="Run `tokser store verify`, and extract the feature again.",
            )
        return rows


def bucketed_batches(
    ids: Sequence[str], lengths: "pd.Series[int]", *, batch_size: int, seed: int, epoch: int
) -> list[list[str]]:
    """Shuffle utterances into batches of similar length.

    Shuffled anew by seed and epoch; within stretches of 50 batches utterances are sorted by
    length, so padding stays small, and the batches are shuffled again. The last one may be
    smaller.

    Args:
        ids: Utterances.
        lengths: Frames of each, index = id.
        batch_size: Utterances in a batch.
        seed: Of the run.
        epoch: From 0 on.
    """
    frames = lengths.to_dict()
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(np.asarray(ids, dtype=object))
    stretch = 50 * batch_size
    batches = []
    for first in range(0, len(order), stretch):
        part = sorted(order[first : first + stretch], key=frames.__getitem__)
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def in_order(ids: Sequence[str], batch_size: int) -> Iterator[list[str]]:
    """Cut utterances into batches without shuffling."""
    for first in range(0, len(ids), batch_size):
        yield list(ids[first : first + batch_size])
