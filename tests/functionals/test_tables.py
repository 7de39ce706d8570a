import numpy as np
import pytest

from tokser.config import PoolSettings
from tokser.errors import SettingsError
from tokser.functionals.tables import read_functionals
from tokser.stages.pool import pool
from tokser.store import open_store

FEATURE = "whisper-tiny/layer-2"


@pytest.fixture
def store(stores):
    table = stores.manifest(9)
    opened = stores.complete(table, stores.plan(table, features={"layer-2": 5}))
    pool(PoolSettings(store=opened.path, functionals=("min", "max", "q25")))
    return open_store(opened.path)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("mean", lambda rows: rows.mean(0)),
        ("std", lambda rows: rows.std(0)),
        ("min", lambda rows: rows.min(0)),
        ("max", lambda rows: rows.max(0)),
        ("q25", lambda rows: np.quantile(rows, 0.25, axis=0)),
    ],
)
def test_each_functional_is_what_numpy_says_of_the_rows(store, name, plain):
    found = read_functionals(store, FEATURE, [name])
    assert list(found.columns) == [f"{name}_{i}" for i in range(5)]
    for utterance in store.ids:
        rows = store[FEATURE][utterance].astype(np.float64)
        np.testing.assert_allclose(found.loc[utterance], plain(rows), rtol=1e-5, atol=1e-6)


def test_they_stand_side_by_side_in_the_order_asked_for(store):
    found = read_functionals(store, FEATURE, ["max", "mean"])
    assert list(found.columns) == [
        *(f"max_{i}" for i in range(5)),
        *(f"mean_{i}" for i in range(5)),
    ]
    usual = read_functionals(store, FEATURE)
    np.testing.assert_array_equal(usual, store[FEATURE].functionals())


def test_extra_functionals_are_no_features_of_their_own(store):
    assert store.features == store.pooled == [FEATURE]


def test_what_was_not_pooled_names_the_command(store):
    with pytest.raises(SettingsError, match=r"tokser pool --store .* --functional q75"):
        read_functionals(store, FEATURE, ["mean", "q75"])


@pytest.mark.parametrize("names", [["median"], ["q100"], []])
def test_an_unknown_functional_is_refused(store, names):
    with pytest.raises(SettingsError, match="expected mean, std, min, max, or quantiles"):
        read_functionals(store, FEATURE, names)


def test_pooling_more_later_leaves_what_was_there(stores):
    table = stores.manifest(6)
    opened = stores.complete(table, stores.plan(table, features={"layer-2": 5}))
    pool(PoolSettings(store=opened.path))
    before = open_store(opened.path)[FEATURE].functionals()
    pool(PoolSettings(store=opened.path, functionals=("q97.5",)))
    after = open_store(opened.path)
    np.testing.assert_array_equal(after[FEATURE].functionals(), before)
    assert read_functionals(after, FEATURE, ["q97.5"]).shape == (6, 5)
