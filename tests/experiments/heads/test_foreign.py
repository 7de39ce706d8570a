"""Classes of other packages as heads: any estimator of scikit-learn's contract."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import GaussianNB

import tokser
from tokser.config import ClassifySettings, FitSettings, PoolSettings, RegressSettings
from tokser.errors import CheckpointError, InputError, MissingPackageError, RunError, SettingsError
from tokser.experiments.models import load_model
from tokser.stages.classify import classify
from tokser.stages.fit import fit
from tokser.stages.pool import pool
from tokser.stages.regress import regress

NEIGHBOURS = "sklearn.neighbors:KNeighborsClassifier"
BAYES = "sklearn.naive_bayes:GaussianNB"


class Mute(ClassifierMixin, BaseEstimator):
    """A classifier that only names classes."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


class Own(GaussianNB):
    """A classifier of one's own."""


Own.__module__ = "my_heads"


class Needy(GaussianNB):
    """One that cannot be made without an argument."""

    def __init__(self, needed):
        super().__init__()
        self.needed = needed


@pytest.fixture
def mine(monkeypatch):
    """This module under a name that can be imported."""
    monkeypatch.setitem(sys.modules, "my_heads", sys.modules[__name__])


@pytest.fixture
def settings(stores, tmp_path):
    table = stores.manifest(60)
    table["valence"] = [f"{1 + i % 5}.5" for i in range(len(table))]
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 5}))
    pool(PoolSettings(store=opened.path))
    places = {"dataset": "emodb", "store": opened.path, "protocols": ("speaker",)}

    def make(kind=ClassifySettings, out="out", **changes):
        return kind.parse(places | {"out": tmp_path / out} | changes, where="test")

    return make


def test_each_fold_selects_a_point_of_its_own_grid(settings):
    grid = {"n_neighbors": [1, 5, 9], "weights": "distance"}
    out = classify(settings(heads=(NEIGHBOURS, "logreg"), head_grid=grid))
    trials = pd.read_csv(out / "grid.csv", dtype={"fold": str})
    own = trials[trials["classifier"] == NEIGHBOURS]
    assert own.groupby("fold").size().eq(3).all()
    assert own.groupby("fold")["selected"].sum().eq(1).all()
    assert own["params"].iloc[0] == 'n_neighbors=1, weights="distance"'
    for _, fold in own.groupby("fold"):
        assert fold.loc[fold["selected"], "dev_uar"].item() == fold["dev_uar"].max()
    scores = pd.read_csv(out / "summary.csv")
    assert {NEIGHBOURS, "logreg"} <= set(scores["classifier"])


def test_without_foreign_heads_tables_are_as_they_were(settings):
    out = classify(settings(heads=("logreg",)))
    assert "params" not in pd.read_csv(out / "grid.csv")


def test_a_head_of_another_package_scores_as_the_same_of_ours(settings):
    other = classify(settings(heads=("sklearn.linear_model:LogisticRegression",), out="a",
                              head_grid={"solver": "newton-cholesky", "tol": 1e-6}))  # fmt: skip
    ours = classify(settings(heads=("logreg",), out="b"))
    a, b = (
        pd.read_parquet(out / "predictions.parquet").filter(like="proba") for out in (other, ours)
    )
    pd.testing.assert_frame_equal(a, b, rtol=0, atol=1e-4)


def test_one_without_probabilities_decides_by_a_softmax(settings):
    out = classify(settings(heads=("sklearn.linear_model:RidgeClassifier",)))
    shares = pd.read_parquet(out / "predictions.parquet").filter(like="probability_")
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_numbers_are_predicted_by_regressors(settings):
    head = "sklearn.neighbors:KNeighborsRegressor"
    out = regress(settings(RegressSettings, heads=(head,), targets=("valence",),
                           head_grid={"n_neighbors": [3, 5]}))  # fmt: skip
    assert set(pd.read_csv(out / "regression.csv")["regressor"]) == {head}


def test_a_seed_is_given_to_what_draws(settings):
    told = {"heads": ("sklearn.ensemble:ExtraTreesClassifier",), "head_grid": {"n_estimators": 5}}
    again = [
        pd.read_parquet(classify(settings(out=name, seed=seed, **told)) / "predictions.parquet")
        .filter(like="probability_")
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]  # fmt: skip
    pd.testing.assert_frame_equal(again[0], again[1])
    assert not again[0].equals(again[2])


def test_heads_may_have_a_grid_each(settings):
    grid = {NEIGHBOURS: {"n_neighbors": [1, 3]}, BAYES: {"var_smoothing": [1e-9, 1e-3, 1e-1]}}
    out = classify(settings(heads=(NEIGHBOURS, BAYES), head_grid=grid))
    counts = pd.read_csv(out / "grid.csv").groupby("classifier").size()
    assert (counts[NEIGHBOURS], counts[BAYES]) == (2 * 4, 3 * 4)


def test_a_model_of_it_is_kept_and_loaded(settings, tmp_path):
    pytest.importorskip("skops")
    store = settings().store
    fitted = FitSettings(
        dataset="emodb", store=store, features="whisper-tiny/layer-1", head=BAYES,
        head_grid={"var_smoothing": [1e-9, 1e-2]}, out=tmp_path / "model",
    )  # fmt: skip
    model = load_model(fit(fitted))
    assert model.members[0].params["params"].startswith("var_smoothing=")
    assert model.estimate.protocol == "speaker"


def test_a_class_of_ones_own_is_trusted_by_whoever_fits_it(settings, mine, tmp_path):
    pytest.importorskip("skops")
    options = {"features": "whisper-tiny/layer-1", "head": "my_heads:Own", "out": tmp_path / "own"}
    model = tokser.fit(settings().store, **options)
    assert model.classes == ("anger", "neutral", "sadness")
    with pytest.raises(CheckpointError, match=r"my_heads\.Own.*trusted="):
        tokser.load_model(model.folder)
    again = tokser.load_model(model.folder, trusted=["my_heads.Own"])
    pd.testing.assert_frame_equal(again.predict(settings().store), model.predict(settings().store))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no.such_package:Head", MissingPackageError, "a module no.such_package that can be imp"),
        ("sklearn.neighbors:KNeighborClassifier", SettingsError, "mean KNeighborsClassifier"),
        ("sklearn.neighbors:KNeighborsRegressor", SettingsError, "expected a classifier"),
        ("collections:OrderedDict", SettingsError, "a class without fit, predict"),
        ("my_heads:Mute", SettingsError, "predict_proba or decision_function, got neither"),
        ("my_heads:Needy", SettingsError, "made without arguments"),
    ],
)
def test_what_is_no_head_is_refused_before_anything(settings, mine, tmp_path, name, error, message):
    with pytest.raises(error, match=message):
        classify(settings(heads=(name,)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"n_neighbours": [1]}, r"unknown parameter 'n_neighbours' \(nearest known one: 'n_neig"),
        ({"n_neighbors": []}, "an empty list"),
        ({"n_neighbors": list(range(1, 150)), "p": list(range(1, 150))}, "at most 10,000 points"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(settings, tmp_path, grid, message):
    with pytest.raises(SettingsError, match=message):
        classify(settings(heads=(NEIGHBOURS,), head_grid=grid))
    assert not (tmp_path / "out").exists()


def test_weights_of_classes_need_a_parameter(settings):
    with pytest.raises(SettingsError, match="--class-weights"):
        classify(settings(heads=(BAYES,), grid={"class_weights": True}))


def test_what_the_class_raises_is_told_as_a_sentence(settings):
    with pytest.raises(RunError, match=r"--head sklearn.*n_neighbors=-1.*Correct --head-grid"):
        classify(settings(heads=(NEIGHBOURS,), head_grid={"n_neighbors": -1}))


def test_a_file_holds_the_grid(settings, tmp_path):
    (tmp_path / "grid.yaml").write_text("n_neighbors: [1, 3]\n")
    made = settings(heads=(NEIGHBOURS,), head_grid=str(tmp_path / "grid.yaml"))
    assert made.head_grid == {"n_neighbors": [1, 3]}
    with pytest.raises(InputError, match=r"none\.yaml"):
        settings(heads=(NEIGHBOURS,), head_grid=str(tmp_path / "none.yaml"))
