"""What the store's benchmarks read and write: utterances of LibriSpeech's lengths."""

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tokser.store import FeatureSpec, GroupPlan, GroupWriter, Recording, StoreWriter

DIM, FRAMES_PER_S = 512, 50
FEATURE = "whisper-base/layer-6"


@dataclass
class Corpus:
    """Utterances, and the random numbers that are their activations.

    Attributes:
        names: Ids.
        lengths: Rows of each, int64 [utterances].
        flat: All rows, float16 [rows, dim]; short of memory, the same rows serve again.
    """

    names: list[str]
    lengths: np.ndarray
    flat: np.ndarray

    @cached_property
    def starts(self) -> list[int]:
        """First row of each utterance, were there no end to `flat`."""
        return (np.cumsum(self.lengths) - self.lengths).tolist()

    @property
    def num_bytes(self) -> int:
        return int(self.lengths.sum()) * DIM * 2

    def rows(self, position: int) -> np.ndarray:
        length = int(self.lengths[position])
        start = self.starts[position] % (len(self.flat) - length + 1)
        return self.flat[start : start + length]


def librispeech_like(num_utterances: int, *, most_rows: int | None = None) -> Corpus:
    """Draw lengths as LibriSpeech has them: most are cut near 15 s, the rest are anything below."""
    rng = np.random.default_rng(0)
    cut = rng.normal(14.6, 1.2, num_utterances)
    short = rng.uniform(1.5, 13.5, num_utterances)
    seconds = np.where(rng.random(num_utterances) < 0.7, cut, short).clip(1.5, 24)
    lengths = (FRAMES_PER_S * seconds).astype(np.int64)
    total = int(lengths.sum())
    flat = np.empty((min(total, most_rows or total), DIM), dtype=np.float16)
    for first in range(0, len(flat), 20_000):
        part = flat[first : first + 20_000]
        part[...] = rng.standard_normal(part.shape, dtype=np.float32)
    return Corpus(_names(num_utterances), lengths, flat)


def emodb_like() -> Corpus:
    """Draw as many utterances as EmoDB has, about as long."""
    rng = np.random.default_rng(0)
    num_utterances = 535
    lengths = (FRAMES_PER_S * rng.normal(2.8, 1.0, num_utterances).clip(1.2, 9)).astype(np.int64)
    flat = rng.standard_normal((int(lengths.sum()), DIM), dtype=np.float32).astype(np.float16)
    return Corpus(_names(num_utterances), lengths, flat)


def short_utterances(num_utterances: int) -> Corpus:
    """Return many utterances of two or three rows each: what opening a store depends on."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 4, num_utterances)
    flat = rng.standard_normal((4_096, DIM), dtype=np.float32).astype(np.float16)
    return Corpus(_names(num_utterances), lengths, flat)


def write_store(path: Path, corpus: Corpus, **options: Any) -> None:
    """Write a store as extraction does."""
    commit_all(plan_store(path, corpus, **options), corpus)


def plan_store(
    path: Path,
    corpus: Corpus,
    *,
    shard_bytes: int = 256 * 2**20,
    transcripts: bool = False,
) -> GroupWriter:
    """Lay down a store without shards."""
    group_name, _, feature = FEATURE.rpartition("/")
    plan = GroupPlan(
        name=group_name,
        kind="speech",
        features={feature: FeatureSpec(dim=DIM, dtype="float16")},
        lengths=corpus.lengths,
        provenance={"model": "openai/whisper-base"},
        shard_bytes=shard_bytes,
    )
    text = _manifest(corpus, transcripts=transcripts)
    digest = hashlib.sha256(text.encode()).hexdigest()
    with StoreWriter(
        path, dataset="librispeech", manifest_text=text, manifest_digest=digest
    ) as writer:
        return writer.plan_group(plan)


def commit_all(group: GroupWriter, corpus: Corpus) -> None:
    """Commit shard after shard."""
    feature = FEATURE.rpartition("/")[2]
    recording = Recording("0123456789abcdef", 1_700_000_000_000_000_000)
    for shard in group.pending():
        first, after = group.layout.shard_utterances(shard)
        rows = [corpus.rows(position) for position in range(first, after)]
        group.commit(shard, {feature: rows}, {}, [recording] * len(rows))


def save_arrays(folder: Path, corpus: Corpus, shards: list[tuple[int, int]]) -> None:
    """Write the same rows to as many files with np.save, each forced down to the disk."""
    folder.mkdir()
    ends = np.append(corpus.starts, len(corpus.flat))
    for number, (first, after) in enumerate(shards):
        with (folder / f"{number}.npy").open("wb") as file:
            np.save(file, corpus.flat[ends[first] : ends[after]])
            file.flush()
            os.fsync(file.fileno())


def _names(number: int) -> list[str]:
    return [f"{i // 130 + 14}-{i // 40 + 120_000}-{i % 40:04d}" for i in range(number)]


def _manifest(corpus: Corpus, *, transcripts: bool) -> str:
    columns = {
        "id": corpus.names,
        "path": [f"train-clean-360/{name.replace('-', '/', 1)}.flac" for name in corpus.names],
        "num_samples": corpus.lengths * 320,
        "sampling_rate_hz": 16_000,
        "speaker": [name.split("-")[0] for name in corpus.names],
        "transcript": _transcripts(len(corpus.names)) if transcripts else "",
        "split": "train-clean-360",
    }
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n")


def _transcripts(number: int) -> list[str]:
    """Draw transcripts of 34 words on average, of 5.3 letters with the space, as LibriSpeech's."""
    rng = np.random.default_rng(1)
    letters = rng.integers(65, 91, (2_000, 9)).astype(np.uint8)
    sizes = rng.integers(2, 8, len(letters))
    words = np.array([bytes(row[:size]).decode() for row, size in zip(letters, sizes, strict=True)])
    counts = rng.normal(34, 12, number).clip(2, 80).astype(int)
    return [" ".join(words[rng.integers(0, len(words), count)]) for count in counts]
