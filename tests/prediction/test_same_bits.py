"""Recordings give the predictions that a store of them gives, for every family of encoders."""

import numpy as np
import pytest
import soundfile

from tokser.config import AlignSettings, ExtractSettings, PoolSettings, PretrainSettings
from tokser.corpora.transcript import EMODB_SENTENCES
from tokser.prediction import run
from tokser.prediction.run import predict_all
from tokser.stages.align import align
from tokser.stages.extract import extract
from tokser.stages.pool import pool
from tokser.stages.pretrain import pretrain
from tokser.store import open_store
from tokser.testing.encoders import (
    build_tiny_bert,
    build_tiny_text,
    build_tiny_wav2vec2,
    build_tiny_whisper,
)

pytestmark = pytest.mark.slow

SPEECH = ("whisper-pad", "whisper-fit", "wavlm", "hubert", "wav2vec2")
TEXT = ("bert", "roberta")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store of nine recordings with every family of encoders, and an aligner."""
    folder = tmp_path_factory.mktemp("families")
    rng = np.random.default_rng(0)
    (folder / "wav").mkdir()
    for name in (
        f"{s}{t}{e}a" for s, t in (("03", "a01"), ("08", "b02"), ("09", "a05")) for e in "FWN"
    ):
        samples = rng.normal(0, 0.1, rng.integers(5_000, 14_000))
        soundfile.write(folder / "wav" / f"{name}.wav", samples, 16_000)
    sentences = list(EMODB_SENTENCES.values()) * 4
    for name in SPEECH[:2]:
        build_tiny_whisper(folder / name)
    for family in SPEECH[2:]:
        build_tiny_wav2vec2(folder / family, family=family)
    build_tiny_bert(folder / "bert", sentences)
    build_tiny_text(folder / "roberta", sentences, family="roberta")
    store = folder / "emodb.zarr"
    for names, context in ((("whisper-fit",), "fit"), ((*SPEECH[2:], *TEXT, "whisper-pad"), "pad")):
        extract(
            ExtractSettings(
                dataset="emodb",
                root=folder,
                store=str(store),
                encoders=tuple(str(folder / name) for name in names),
                layers="all",
                context=context,
            )
        )
    pretrain(
        PretrainSettings(
            store=str(store),
            out=folder / "aligner",
            speech="wavlm/layer-2",
            text="bert/contextual",
            epochs=1,
            device="cpu",
        )
    )
    align(AlignSettings(store=str(store), checkpoint=folder / "aligner"))
    pool(PoolSettings(store=str(store)))
    return folder


@pytest.fixture(scope="module")
def manifest(place):
    path = place / "manifest.csv"
    table = open_store(place / "emodb.zarr").utterances[["path", "transcript", "speaker"]]
    table.to_csv(path)
    return path


FEATURES = [
    *(f"{name}/layer-2" for name in SPEECH),
    *(f"{name}/contextual" for name in TEXT),
    "bert/word",
    "aligner/aligned",
    "wavlm/layer-1 + bert/word + aligner/aligned",
]


@pytest.mark.parametrize("features", FEATURES)
def test_as_the_store(place, manifest, fit_by_hand, features, monkeypatch):
    store = open_store(place / "emodb.zarr")
    model = fit_by_hand(store, features, aligners={"aligner": place / "aligner"})
    wanted = model.predict_store(store)[list(model.columns[1:])].to_numpy()
    found = predict_all(model, manifest)
    print(features, "whole", np.abs(found.table[list(model.columns[1:])].to_numpy() - wanted).max())
    monkeypatch.setattr(run, "CHUNK_ROWS", 1)
    found = predict_all(model, manifest)
    print(
        features,
        "one by one",
        np.abs(found.table[list(model.columns[1:])].to_numpy() - wanted).max(),
    )
    assert not found.quarantined
