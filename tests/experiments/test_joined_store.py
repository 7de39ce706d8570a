"""Several stores as one dataset, as docs/transfer.md shows them."""

import pickle

import numpy as np
import pandas as pd
import pytest

from tokser.config import ClassifySettings
from tokser.errors import SettingsError, StoreMismatchError
from tokser.experiments.joined_store import JoinedStore, open_stores
from tokser.experiments.results import CLASSIFICATION
from tokser.stages.classify import classify


@pytest.fixture(scope="module")
def pair(tmp_path_factory, store_factory):
    from tokser.config import PoolSettings
    from tokser.stages.pool import pool

    found = []
    for number, name in enumerate(("berlin", "warsaw")):
        factory = store_factory(tmp_path_factory.mktemp(name))
        table = factory.manifest(24 + number)
        plan = factory.plan(table, features={"layer-1": 3})
        found.append(factory.complete(table, plan, name=f"{name}.zarr", dataset=name))
        pool(PoolSettings(store=found[-1].path))
    return tuple(store.path for store in found)


def test_ids_and_speakers_begin_with_their_corpus(pair):
    store = open_stores(pair)
    assert store.dataset == "berlin-warsaw"
    assert store.ids[0] == "berlin/utt000"
    assert list(store.utterances.index) == store.ids
    assert store.utterances.loc["warsaw/utt003", "speaker"] == "warsaw/s3"
    assert set(store.utterances["corpus"]) == {"berlin", "warsaw"}
    # The same words can be said in two corpora.
    assert store.utterances.loc["warsaw/utt001", "sentence"] == "satz nummer 1"


def test_rows_and_functionals_are_those_of_the_stores(pair):
    store, (first, second) = open_stores(pair), map(open_stores, pair)
    layer = store["whisper-tiny/layer-1"]
    names = ["warsaw/utt002", "berlin/utt001", "warsaw/utt024"]
    read = layer.ragged(names)
    own = [second["whisper-tiny/layer-1"]["utt002"], first["whisper-tiny/layer-1"]["utt001"],
           second["whisper-tiny/layer-1"]["utt024"]]  # fmt: skip
    np.testing.assert_array_equal(read.rows, np.concatenate(own))
    np.testing.assert_array_equal(layer["warsaw/utt002"], own[0])
    assert layer.lengths["warsaw/utt024"] == len(own[2])
    pooled = layer.functionals()
    np.testing.assert_array_equal(
        pooled.loc["warsaw/utt002"], second.functionals("whisper-tiny/layer-1").loc["utt002"]
    )
    again = pickle.loads(pickle.dumps(store))
    assert again.ids == store.ids
    assert again.identity("whisper-tiny/layer-1") == store.identity("whisper-tiny/layer-1")


def test_a_corpus_with_sessions_beside_one_without(pair, store_factory, tmp_path):
    factory = store_factory(tmp_path)
    table = factory.manifest(12)
    table["session"] = [f"{i % 2}" for i in range(12)]
    factory.complete(table, name="oslo.zarr", dataset="oslo")
    joined = open_stores((pair[0], str(tmp_path / "oslo.zarr"))).utterances
    assert joined.loc["oslo/utt001", "session"] == "oslo/1"
    assert joined.loc["berlin/utt001", "session"] == "berlin/s1"


def test_unknown_ids_and_stores_named_twice(pair):
    store = open_stores(pair)
    with pytest.raises(SettingsError, match="the id of an utterance in one of the stores"):
        store.position("utt001")
    with pytest.raises(SettingsError, match="twice"):
        open_stores((pair[0], pair[0]))


def test_rows_of_another_type_are_refused(pair, store_factory, tmp_path):
    factory = store_factory(tmp_path)
    table = factory.manifest(12)
    plan = factory.plan(table, features={"layer-1": 3}, dtype="float32")
    factory.complete(table, plan, name="oslo.zarr", dataset="oslo")
    store = open_stores((pair[0], str(tmp_path / "oslo.zarr")))
    assert isinstance(store, JoinedStore)
    with pytest.raises(StoreMismatchError, match=r"float16 in .*float32 in"):
        store["whisper-tiny/layer-1"]


@pytest.mark.slow
@pytest.mark.parametrize("head", ["logreg", "superb", "emobox"])
def test_classify_reads_several_stores_as_one(pair, tmp_path, head):
    grid = {"batch_sizes": (8,), "learning_rates": (1e-2,), "hidden": (4,), "epochs": 1}
    settings = ClassifySettings(
        dataset="both",
        store=pair,
        out=tmp_path / "out",
        heads=(head,),
        protocols=("speaker",),
        grid=grid,
        device="cpu",
    )
    out = classify(settings)
    table = CLASSIFICATION.corpora.read(out / CLASSIFICATION.corpora.file)
    assert dict(zip(table["corpus"], table["n_test"], strict=True)) == {"berlin": 24, "warsaw": 25}
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert set(predictions["fold"]) == {f"{c}/s{i}" for c in ("berlin", "warsaw") for i in range(4)}
    assert classify(settings) == out


def test_one_store_in_a_list_is_that_store(pair):
    values = {"dataset": "berlin", "out": "out"}
    assert ClassifySettings(store=(pair[0],), **values).store == pair[0]
    assert ClassifySettings(store=pair[0], **values).store == pair[0]
