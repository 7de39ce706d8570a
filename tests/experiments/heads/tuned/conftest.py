"""Tiny encoders with their activations in memory, and data to tune on."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from tokser.config import TuneSettings
from tokser.encoders import load_encoder
from tokser.encoders.layers import parse_layers
from tokser.experiments.classification import Classification
from tokser.experiments.frames import TermFrames
from tokser.experiments.heads.tuned.blocks import EncoderBlocks
from tokser.experiments.heads.tuned.head import TunedHead
from tokser.experiments.splits.protocols import Split
from tokser.experiments.training_data import TrainingData
from tokser.functionals.moments import mean_std
from tokser.store import RaggedBatch
from tokser.testing import build_tiny_bert, build_tiny_wavlm, build_tiny_whisper

TEXTS = ["Das will sie am Mittwoch abgeben.", "a man said", "Tüten", "auf dem Tisch", "sie", "am"]
NUM = 12
LABELS = ("anger", "neutral", "sadness")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned-encoders")
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_wavlm(folder / "tiny-wavlm")
    build_tiny_wavlm(folder / "tiny-wavlm-large", layer_norm=True)
    build_tiny_bert(folder / "tiny-bert", TEXTS * 20)
    return folder


class Rows:
    """Activations of a layer, with what a layer of a store has."""

    def __init__(self, name, rows):
        self.name, self.rows, self.ids = name, rows, list(rows)
        self.dim = rows[self.ids[0]].shape[1]

    @property
    def lengths(self):
        return pd.Series({name: len(own) for name, own in self.rows.items()})

    def __getitem__(self, utterance):
        return self.rows[utterance]

    def ragged(self, utterances, allocate=np.empty):
        own = [self.rows[name] for name in utterances]
        return RaggedBatch(np.concatenate(own), np.array([len(one) for one in own]))

    def functionals(self):
        pooled = [mean_std(own) for own in self.rows.values()]
        return pd.DataFrame(np.stack(pooled), index=pd.Index(self.ids, name="id"))


@pytest.fixture(scope="session")
def encoded(folders):
    """Activations of every layer of twelve utterances, by encoder; they are computed once."""
    kept = {}

    def encode(name):
        if name not in kept:
            device = torch.device("cpu")
            path = str(folders / name)
            encoder = load_encoder(path, revision=None, device=device, context="fit")
            layers = parse_layers(encoder, "all")
            if encoder.kind == "text":
                inputs = encoder.tokenize((TEXTS * NUM)[:NUM])
                found = encoder.encode(inputs, layers)
            else:
                rng = np.random.default_rng(0)
                sizes = rng.integers(1_600, 8_000, NUM)
                inputs = [rng.normal(0, 0.1, size).astype(np.float32) for size in sizes]
                found = encoder.encode(inputs, layers)
            kept[name] = encoder, inputs, found
        return kept[name]

    return encode


@pytest.fixture
def tuned(encoded, tmp_path):
    """Make a head on an encoder's blocks, with data of one fold."""

    def make(name, first=1, head="mean-std", labels=LABELS, spoil=None, folds=1, **options):
        encoder, inputs, found = encoded(name)
        ids = [f"u{i:02d}" for i in range(NUM)]
        rows = {u: one[first].astype(np.float32) for u, one in zip(ids, found, strict=True)}
        if spoil is not None:
            rows = spoil(rows)
        given = {"dataset": "emodb", "store": "", "source": f"{name}/layer-{first}"}
        given |= {"out": tmp_path / "out", "heads": (head,), "batch_size": 4, "epochs": 2}
        settings = TuneSettings.parse(given | options, where="test")
        module = encoder.upper_blocks(first)
        names = {number: f"layer-{number}" for number in module.layers}
        blocks = EncoderBlocks(module, settings.source, names, "0" * 64)
        target = pd.Series([labels[i % len(labels)] for i in range(NUM)], index=ids)
        splits = tuple(
            Split(f"f{i}", tuple(ids[:6]), tuple(ids[6:9]), tuple(ids[9:]), "")
            for i in range(folds)
        )
        data = TrainingData(
            task=Classification(),
            functionals=pd.DataFrame(index=ids),
            target=target,
            splits=splits,
            grid=settings.grid,
            seed=0,
            frames=(TermFrames((Rows(settings.source, rows),)),),
        )
        made = TunedHead(head, blocks, settings, "inputs", {"weights_sha256": "0" * 64})
        return SimpleNamespace(
            head=made, data=data, settings=settings, blocks=blocks, encoder=encoder,
            inputs=inputs, found=found, ids=ids,
        )  # fmt: skip

    return make
