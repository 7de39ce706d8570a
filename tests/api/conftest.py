"""A small pooled store, and results on it, made once."""

from pathlib import Path

import pytest

import tokser

LAYERS = ("whisper-tiny/layer-1", "whisper-tiny/layer-2")


@pytest.fixture(scope="module")
def store(store_factory, tmp_path_factory) -> "tokser.Store":
    """Sixty utterances of four speakers, two layers, pooled."""
    factory = store_factory(tmp_path_factory.mktemp("stores"))
    table = factory.manifest(60)
    made = factory.complete(table, factory.plan(table, features={"layer-1": 5, "layer-2": 4}))
    assert made.pooled == []
    assert tokser.pool(made) is made
    assert made.pooled == list(LAYERS)
    return made


@pytest.fixture(scope="module")
def results(store) -> "tokser.Results":
    """Two heads on both layers under two protocols."""
    return tokser.classify(store, protocols=["random", "speaker"], heads=["logreg", "svm"])


@pytest.fixture(scope="module")
def home(store) -> Path:
    """The folder that the store lies in."""
    return Path(store.path).parent
