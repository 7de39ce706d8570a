import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tokser.config import PretrainSettings
from tokser.pretrain.aligner import AlignerInput
from tokser.pretrain.module import AlignerModule
from tokser.stages.pretrain import pretrain
from tokser.store import FeatureSpec, GroupPlan, StoreWriter


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Tensors are tiny: threads would wait for each other, for long on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass
class Memory:
    """A feature that lies in memory."""

    name: str
    by_id: dict[str, np.ndarray]

    @property
    def dim(self) -> int:
        return next(iter(self.by_id.values())).shape[1]

    @property
    def ids(self) -> list[str]:
        return list(self.by_id)

    @property
    def lengths(self) -> pd.Series:
        return pd.Series({name: len(rows) for name, rows in self.by_id.items()}, dtype="int64")

    def ragged(self, utterances, allocate=np.empty):
        parts = [self.by_id[name] for name in utterances]
        rows = np.concatenate(parts)
        held = allocate(rows.shape, rows.dtype)
        held[...] = rows
        return Ragged(held, np.array([len(part) for part in parts]))


@dataclass
class Ragged:
    rows: np.ndarray
    lengths: np.ndarray


@pytest.fixture(scope="session")
def memory() -> type[Memory]:
    return Memory


def make_inputs(
    num_tokens: list[int], num_frames: list[int], text_dim=4, speech_dim=6, layers=1, seed=0
) -> AlignerInput:
    g = torch.Generator().manual_seed(seed)
    return AlignerInput(
        torch.randn(sum(num_tokens), text_dim, generator=g),
        torch.tensor(num_tokens),
        torch.randn(layers, sum(num_frames), speech_dim, generator=g),
        torch.tensor(num_frames),
    )


@pytest.fixture(scope="session")
def inputs():
    """Makes random queries and speech of utterances of given lengths."""
    return make_inputs


DIM, NUM_WORDS = 12, 16


class ToyStore:
    """A corpus whose frames carry a token's word, to be found by, and its teacher, to be said."""

    NUM_TRAIN, NUM_DEV, EPOCHS = 64, 10, 10

    def __init__(
        self,
        path: Path,
        *,
        speech: tuple[str, ...] = ("whisper-toy",),
        layers: tuple[str, ...] = ("layer-6",),
        embeddings: bool = False,
    ) -> None:
        self.layers, self.embeddings = layers, embeddings
        rng = np.random.default_rng(0)
        num = self.NUM_TRAIN + self.NUM_DEV
        self.path, self.speech = path, speech
        self.words = rng.normal(size=(NUM_WORDS, DIM)) / 3
        self.token_ids = [
            np.array([0, *rng.permutation(np.arange(2, NUM_WORDS))[:4], 1], dtype=np.int32)
            for _ in range(num)
        ]
        self.teacher = [rng.normal(size=(len(ids), DIM)) for ids in self.token_ids]
        self.frames = [
            np.repeat(np.hstack([9 * self.words[ids], said]), 2, axis=0)
            for ids, said in zip(self.token_ids, self.teacher, strict=True)
        ]
        self.table = pd.DataFrame(
            {
                "id": [f"utt{i:03d}" for i in range(num)],
                "speaker": [f"s{i % 7}" for i in range(num)],
                "transcript": [" ".join(map(str, ids)) for ids in self.token_ids],
                "split": ["train-clean-100"] * self.NUM_TRAIN + ["dev-clean"] * self.NUM_DEV,
            }
        ).set_index("id")

    def shorten(self, place: int) -> None:
        """Leave an utterance one word, between [CLS] and [SEP]."""
        self.token_ids[place] = self.token_ids[place][[0, 1, -1]]
        self.teacher[place] = self.teacher[place][[0, 1, -1]]

    def write(self, *, shards: int | None = None, with_text: bool = True) -> "ToyStore":
        """Write speech, all of it or so many shards, and text."""
        text = self.table.to_csv(lineterminator="\n")
        digest = hashlib.sha256(text.encode()).hexdigest()
        with StoreWriter(
            self.path, dataset="librispeech", manifest_text=text, manifest_digest=digest
        ) as writer:
            wide = dict.fromkeys(self.layers, FeatureSpec(dim=2 * DIM, dtype="float16"))
            for name in self.speech:
                rows = dict.fromkeys(self.layers, self.frames)
                self._commit(writer, name, "speech", wide, rows, shards)
            if with_text:
                specs = {
                    "contextual": FeatureSpec(dim=DIM, dtype="float16"),
                    "token_ids": FeatureSpec(dim=None, dtype="int32"),
                }
                rows = {"contextual": self.teacher, "token_ids": self.token_ids}
                if self.embeddings:
                    specs["layer-0"] = specs["contextual"]
                    rows["layer-0"] = [self.words[ids] for ids in self.token_ids]
                group = self._commit(writer, "bert-toy", "text", specs, rows)
                keys = np.arange(NUM_WORDS, dtype=np.int32)
                group.put_lookup(
                    "word", ids="token_ids", keys=keys, table=self.words.astype(np.float16)
                )
        return self

    def _commit(self, writer, name, kind, specs, rows, shards=None):
        lengths = np.array([len(r) for r in next(iter(rows.values()))], dtype=np.int64)
        small = {} if shards is None else {"shard_bytes": 4_000}
        plan = GroupPlan(
            name=name,
            kind=kind,
            features=specs,
            lengths=lengths,
            provenance={"model": name},
            **small,
        )
        group = writer.plan_group(plan)
        for shard, features in list(group.pending().items())[:shards]:
            span = slice(*group.layout.shard_utterances(shard))
            group.commit(shard, {f: rows[f][span] for f in features}, {})
        return group

    def settings(self, out: Path, **changes) -> PretrainSettings:
        values = {
            "store": str(self.path),
            "out": out,
            "batch_size": 8,
            "learning_rate": 2e-2,
            "epochs": self.EPOCHS,
            "device": "cpu",
        }
        return PretrainSettings(**(values | changes))


@pytest.fixture(scope="session")
def toy_store() -> type[ToyStore]:
    return ToyStore


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> ToyStore:
    return ToyStore(tmp_path_factory.mktemp("toy") / "toy.zarr").write()


@pytest.fixture(scope="session")
def run(toy, tmp_path_factory) -> Path:
    """A finished run."""
    return pretrain(toy.settings(tmp_path_factory.mktemp("runs") / "aligner"))


@pytest.fixture
def stop_in():
    """Makes the second step of an epoch, counted from 0, fail."""

    def stop_in(monkeypatch, epoch: int, error: BaseException) -> None:
        step = AlignerModule.training_step

        def fail(self, batch, batch_idx):
            if self.current_epoch == epoch and batch_idx == 1:
                raise error
            return step(self, batch, batch_idx)

        monkeypatch.setattr(AlignerModule, "training_step", fail)

    return stop_in


_PRETRAIN = """
import sys, torch
from tokser.config import PretrainSettings
from tokser.stages.pretrain import pretrain
torch.set_num_threads(1)
pretrain(PretrainSettings.model_validate_json(sys.argv[1]))
"""


@pytest.fixture
def start():
    """Starts a run in a process of its own."""

    def start(settings: PretrainSettings, **environment: str) -> subprocess.Popen:
        command = [sys.executable, "-c", _PRETRAIN, settings.model_dump_json()]
        return subprocess.Popen(
            command, env=os.environ | environment, stderr=subprocess.PIPE, text=True
        )

    return start
