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

from tokser.errors import InputError, RunError, list_some

__all__ = [
    "Batch",
    "DevBatch",
    "FeatureSource",
    "Pairs",
    "bucketed_batches",
    "in_order",
    "split_train_dev",
    "wrong_speech",
]


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


def split_train_dev(
    utterances: pd.DataFrame, ids: Sequence[str], *, dev_fraction: float, seed: int
) -> tuple[list[str], list[str]]:
    """Part utterances into train and dev, speakers apart.

    Args:
        utterances: Manifest; where its column `split` names both, parts that begin with `dev`
            are dev, those with `train` train, and the others neither. Parts that begin with
            `test` are never used.
        ids: Utterances that can be used.
        dev_fraction: Share of speakers held out where the corpus names no dev part.
        seed: Decides who is held out.

    Raises:
        InputError: There is nothing to train on, or fewer than two utterances in dev, so that
            none could hear the speech of another.
    """
    table = utterances.loc[list(ids)]
    splits = table["split"].astype(str) if "split" in table else pd.Series("", index=table.index)
    is_dev, is_train = splits.str.startswith("dev"), splits.str.startswith("train")
    if not (is_dev.any() and is_train.any()):
        is_test = splits.str.startswith("test")
        held_out = _hold_out(table["speaker"][~is_test], dev_fraction, seed)
        is_dev = table["speaker"].isin(held_out) & ~is_test
        is_train = ~is_dev & ~is_test
    train, dev = list(table.index[is_train]), list(table.index[is_dev])
    if not train or len(dev) < 2:
        raise InputError(
            "train and dev part",
            expected="utterances of at least two speakers, or of a train and a dev part, "
            "two of them in dev",
            got=f"{len(train)} to train on, {len(dev)} to choose the epoch by "
            f"({list_some(list(table.index)) or 'no utterance'})",
            remedy="Extract a dev split too, for instance dev-clean.",
        )
    return train, dev


def _hold_out(speakers: "pd.Series[str]", fraction: float, seed: int) -> list[str]:
    """Draw a share of the speakers, and more until they have two utterances."""
    counts = speakers.value_counts().sort_index()
    drawn = [str(name) for name in np.random.default_rng(seed).permutation(counts.index)]
    most = len(drawn) - 1
    count = min(max(1, round(fraction * len(drawn))), most)
    while count < most and counts[drawn[:count]].sum() < 2:
        count += 1
    return drawn[: max(count, 0)]


def wrong_speech(ids: Sequence[str], transcripts: "pd.Series[str]", *, seed: int) -> dict[str, str]:
    """Choose another utterance for each to hear, one that says something else.

    Utterances of the same transcript are put side by side, in an order of chance, and all are
    moved on by the size of the largest such group: so each leaves its own group, unless one
    group holds more than half of all.

    Args:
        ids: Utterances, at least two.
        transcripts: What each says, index = id.
        seed: Decides the order.

    Returns:
        For each id another one; each is heard once.

    Raises:
        InputError: There is one utterance only.
    """
    if len(ids) < 2:
        raise InputError(
            "dev part",
            expected="at least two utterances, so that one can hear another's speech",
            got=list_some(list(ids)) or "none",
            remedy="Raise --dev-fraction, or extract a larger dev split.",
        )
    said = [str(transcripts[name]) for name in ids]
    order = {text: place for place, text in enumerate(sorted(set(said)))}
    places = np.random.default_rng(seed).permutation(len(order))
    mixed = [
        name for _, name in sorted((places[order[t]], n) for t, n in zip(said, ids, strict=True))
    ]
    step = min(max(pd.Series(said).value_counts().max(), 1), len(ids) - 1)
    return {name: mixed[(place + step) % len(ids)] for place, name in enumerate(mixed)}


def in_order(ids: Sequence[str], batch_size: int) -> Iterator[list[str]]:
    """Cut utterances into batches without shuffling."""
    for first in range(0, len(ids), batch_size):
        yield list(ids[first : first + batch_size])
