"""Batches of speech, queries and teacher, gathered from a store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tokser.errors import InputError, RunError, list_some

__all__ = ["Batch", "FeatureSource", "Pairs", "bucketed_batches", "in_order", "split_train_dev"]


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

    def gather(self, ids: Sequence[str]) -> Batch:
        """Read utterances and pad them.

        Raises:
            RunError: A row is not finite; the utterances are named.
        """
        speech = [self._rows(self.speech, name) for name in ids]
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
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(np.asarray(ids, dtype=object))
    stretch = 50 * batch_size
    batches = []
    for first in range(0, len(order), stretch):
        part = sorted(order[first : first + stretch], key=lambda name: int(lengths[name]))
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def split_train_dev(
    utterances: pd.DataFrame, ids: Sequence[str], *, dev_fraction: float, seed: int
) -> tuple[list[str], list[str]]:
    """Part utterances into train and dev, speakers apart.

    Args:
        utterances: Manifest; where its column `split` names both, parts that begin with `dev`
            are dev, those with `train` train, and the others neither.
        ids: Utterances that can be used.
        dev_fraction: Share of speakers held out where the corpus names no dev part.
        seed: Decides who is held out.

    Raises:
        InputError: One of the parts is empty.
    """
    table = utterances.loc[list(ids)]
    splits = table["split"] if "split" in table else pd.Series("", index=table.index)
    is_dev, is_train = splits.str.startswith("dev"), splits.str.startswith("train")
    if not (is_dev.any() and is_train.any()):
        speakers = np.sort(table["speaker"].unique())
        count = max(1, round(dev_fraction * len(speakers)))
        held_out = np.random.default_rng(seed).permutation(speakers)[:count]
        is_dev = table["speaker"].isin(held_out)
        is_train = ~is_dev
    train, dev = list(table.index[is_train]), list(table.index[is_dev])
    if not train or not dev:
        raise InputError(
            "train and dev part",
            expected="utterances of at least two speakers, or of a train and a dev part",
            got=f"{len(train)} to train on, {len(dev)} to choose the epoch by "
            f"({list_some(list(table.index)) or 'no utterance'})",
            remedy="Extract a dev split too, for instance dev-clean.",
        )
    return train, dev


def in_order(ids: Sequence[str], batch_size: int) -> Iterator[list[str]]:
    """Cut utterances into batches without shuffling."""
    for first in range(0, len(ids), batch_size):
        yield list(ids[first : first + batch_size])
