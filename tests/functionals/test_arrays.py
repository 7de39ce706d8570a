import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from tokser.config import PoolSettings
from tokser.errors import InputError, SettingsError
from tokser.functionals.arrays import data_array, design_matrix
from tokser.stages.pool import pool
from tokser.store import open_store

FEATURES = {"layer-1": 5, "layer-2": 5}


@pytest.fixture
def store(stores):
    """Twelve utterances of four speakers, of whom one has no label; a wide group beside."""
    table = stores.manifest(12)
    table.loc["utt003", "label"] = ""
    plans = [
        stores.plan(table, features=FEATURES),
        stores.plan(table, name="wavlm-tiny", features={"layer-1": 8}),
    ]
    opened = stores.complete(table, *plans)
    pool(PoolSettings(store=opened.path, functionals=("max",)))
    return open_store(opened.path)


def test_rows_are_joined_by_id(store):
    found = design_matrix(store, ["wavlm-tiny/layer-1", "whisper-tiny/layer-2"])
    assert found.X.shape == (11, 2 * (8 + 5))
    assert found.X.dtype == np.float32
    for row, name in enumerate(found.ids):
        plain = [
            np.concatenate([rows.mean(0), rows.std(0)])
            for feature in ("wavlm-tiny/layer-1", "whisper-tiny/layer-2")
            for rows in [store[feature][name].astype(np.float64)]
        ]
        np.testing.assert_allclose(found.X[row], np.concatenate(plain), rtol=1e-5, atol=1e-6)
        assert found.y[row] == store.utterances.at[name, "label"]
        assert found.groups[row] == store.utterances.at[name, "speaker"]


def test_unlabelled_utterances_are_left_out_unless_asked_for(store):
    assert "utt003" not in design_matrix(store, "whisper-tiny/layer-1").ids
    found = design_matrix(store, "whisper-tiny/layer-1", labelled=False)
    assert found.y[list(found.ids).index("utt003")] == ""


def test_patterns_are_written_out_in_the_stores_order(store):
    both = design_matrix(store, "whisper-tiny/*", functionals=["max"])
    apart = [design_matrix(store, f"whisper-tiny/{n}", functionals=["max"]).X for n in FEATURES]
    np.testing.assert_array_equal(both.X, np.hstack(apart))


def test_scikit_learn_takes_it_as_it_is(store):
    X, y, groups, _ = design_matrix(store, "whisper-tiny/layer-2")
    folds = LeaveOneGroupOut()
    found = cross_val_predict(LogisticRegression(), X, y, groups=groups, cv=folds)
    assert found.shape == y.shape
    assert folds.get_n_splits(groups=groups) == 4


def test_an_xarray_names_its_axes_and_knows_the_utterances(store):
    array = data_array(store, "whisper-tiny/layer-*", functionals=["mean", "std", "max"])
    assert array.dims == ("feature", "utterance", "functional", "dim")
    assert array.shape == (2, 12, 3, 5)
    rows = store["whisper-tiny/layer-2"]["utt005"].astype(np.float64)
    told = array.sel(feature="whisper-tiny/layer-2", utterance="utt005")
    np.testing.assert_allclose(told.sel(functional="std"), rows.std(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(told.sel(functional="max"), rows.max(0), rtol=1e-5, atol=1e-6)
    assert str(array.speaker.sel(utterance="utt005").item()) == "s1"
    assert array.groupby("label").mean().sizes["label"] == 4
    assert array.attrs["whisper-tiny/layer-1"] == "whisper-tiny"


def test_features_of_two_widths_are_no_one_array(store):
    with pytest.raises(SettingsError, match=r"one width, got .*layer-1 \(5\).*by themselves"):
        data_array(store, ["whisper-tiny/layer-1", "wavlm-tiny/layer-1"])


def test_a_pattern_without_match_lists_the_features(store):
    with pytest.raises(SettingsError, match=r"whisper-tiny/layer-1.*got 'whisper-tiny/layer-9'"):
        design_matrix(store, "whisper-tiny/layer-9")


def test_a_store_without_labels_says_how_to_do_without(stores):
    table = stores.manifest(6).assign(label="")
    opened = stores.complete(table, stores.plan(table, features=FEATURES))
    pool(PoolSettings(store=opened.path))
    store = open_store(opened.path)
    with pytest.raises(InputError, match=r"none among 6\. Take them .*labelled=False"):
        design_matrix(store, "whisper-tiny/layer-1")
    found = design_matrix(store, "whisper-tiny/layer-1", labelled=False)
    assert found.X.shape == (6, 10)
