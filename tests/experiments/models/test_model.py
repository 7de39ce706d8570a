"""Predictions of a model, from tables of functionals and from stores."""

import numpy as np
import pandas as pd
import pytest

from tokser.config import PoolSettings
from tokser.errors import InputError, StoreMismatchError
from tokser.experiments.feature_expressions import Term
from tokser.experiments.models.recipe import FeatureRecipe
from tokser.functionals.standardise import standardise_by_speaker
from tokser.stages.pool import pool
from tokser.store import open_store

LAYERS = ("whisper-tiny/layer-1", "whisper-tiny/layer-2")


@pytest.fixture
def store(stores):
    table = stores.manifest(12)
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 3, "layer-2": 3}))
    pool(PoolSettings(store=opened.path))
    return open_store(opened.path)


@pytest.fixture
def fitting(model, store):
    """The model, its features as the store has them."""
    terms = [Term(name) for name in LAYERS]
    return make(model, recipe=FeatureRecipe.of_store(store, terms, languages=["de"]))


def make(model, **changes):
    import dataclasses

    return dataclasses.replace(model, **changes)


def test_probabilities_are_the_average_of_the_members(model, tables):
    found = model.predict_functionals(tables)
    ids = tables[LAYERS[1]].index
    assert list(found.index) == list(ids)
    assert tuple(found.columns) == model.columns
    parts = [
        member.outputs(tables[name].loc[ids].to_numpy())
        for member, name in zip(model.members, LAYERS, strict=True)
    ]
    expected = 0.75 * parts[0] + 0.25 * parts[1]
    np.testing.assert_allclose(found.drop(columns="label").to_numpy(), expected, atol=1e-7)
    assert found["label"].tolist() == [model.classes[i] for i in expected.argmax(axis=1)]


def test_the_order_of_rows_and_tables_does_not_matter(model, tables):
    turned = {name: tables[name].iloc[::-1] for name in reversed(LAYERS)}
    expected = model.predict_functionals(tables).sort_index()
    pd.testing.assert_frame_equal(
        model.predict_functionals(turned).sort_index(), expected, rtol=1e-6
    )


def test_nothing_in_nothing_out(model, tables):
    empty = {name: table.iloc[:0] for name, table in tables.items()}
    found = model.predict_functionals(empty)
    assert found.empty
    assert tuple(found.columns) == model.columns


def test_what_cannot_be_predicted_is_refused(model, tables):
    with pytest.raises(InputError, match=r"none of whisper-tiny/layer-2"):
        model.predict_functionals({LAYERS[0]: tables[LAYERS[0]]})
    wide = {name: pd.concat([t, t], axis=1) for name, t in tables.items()}
    with pytest.raises(InputError, match=r"expected 6 functionals.*got 12"):
        model.predict_functionals(wide)
    twice = {name: pd.concat([t, t]) for name, t in tables.items()}
    with pytest.raises(InputError, match="several rows of utt0"):
        model.predict_functionals(twice)
    broken = {name: t.copy() for name, t in tables.items()}
    broken[LAYERS[0]].iloc[2, 3] = np.nan
    with pytest.raises(InputError, match="NaN or infinity for utt2"):
        model.predict_functionals(broken)


def test_speakers_are_needed_where_they_decide_the_scale(model, tables):
    model = make(model, standardise="speaker")
    with pytest.raises(InputError, match=r"standardises by speaker.*got none"):
        model.predict_functionals(tables)
    ids = tables[LAYERS[0]].index
    speakers = pd.Series(["a", "b"] * 4, index=ids)
    with pytest.raises(InputError, match="utterances without one"):
        model.predict_functionals(tables, speakers=speakers.where(speakers != "b", ""))
    found = model.predict_functionals(tables, speakers=speakers)
    shared = ids[:7]
    scaled = [standardise_by_speaker(tables[n].loc[shared], speakers)[0] for n in LAYERS]
    by_hand = make(model, standardise="global").predict_functionals(
        dict(zip(LAYERS, scaled, strict=True))
    )
    pd.testing.assert_frame_equal(found, by_hand)


def test_a_store_is_predicted_from_its_functionals(fitting, store):
    found = fitting.predict_store(store)
    expected = fitting.predict_functionals({name: store.functionals(name) for name in LAYERS})
    pd.testing.assert_frame_equal(found, expected)
    some = fitting.predict_store(store, ["utt003", "utt001", "utt003"])
    assert list(some.index) == ["utt003", "utt001"]
    pd.testing.assert_frame_equal(some, expected.loc[["utt003", "utt001"]], rtol=1e-6)
    with pytest.raises(InputError, match="none of it for nobody"):
        fitting.predict_store(store, ["nobody"])


def test_all_of_a_speaker_decide_the_scale_of_a_few(fitting, store):
    model = make(fitting, standardise="speaker")
    every = model.predict_store(store)
    pd.testing.assert_frame_equal(model.predict_store(store, ["utt005"]), every.loc[["utt005"]])


def test_labels_that_the_model_does_not_know_are_said(fitting, store, caplog):
    caplog.set_level("INFO", logger="tokser")
    fitting.predict_store(store)
    assert "does not know" not in caplog.text
    make(fitting, classes=("anger", "joy", "sadness")).predict_store(store)
    assert "the model does not know neutral" in caplog.text


def test_a_store_of_another_encoder_is_refused(fitting, stores):
    table = stores.manifest(12)
    both = {"features": {"layer-1": 3, "layer-2": 3}}
    others = {
        "precision": stores.plan(table, **both, precision="bfloat16"),
        "context": stores.plan(table, **both, context="fit"),
        "weights_sha256": stores.plan(table, **both, weights_sha256="abc"),
        "dtype float16": stores.plan(table, **both, dtype="float32"),
    }
    for word, plan in others.items():
        opened = stores.complete(table, plan, name=f"{word[:5]}.zarr")
        pool(PoolSettings(store=opened.path))
        with pytest.raises(StoreMismatchError, match=f"expected {word}.*as at training, got"):
            fitting.predict_store(open_store(opened.path))


def test_a_store_without_the_features_is_refused(fitting, stores):
    table = stores.manifest(12)
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 3}), name="a.zarr")
    with pytest.raises(StoreMismatchError, match="got a store without them"):
        fitting.predict_store(opened)
    pool(PoolSettings(store=opened.path))
    with pytest.raises(StoreMismatchError, match=r"layer-2: .*without this feature"):
        fitting.predict_store(open_store(opened.path))
