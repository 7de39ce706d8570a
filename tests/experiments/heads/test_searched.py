"""`--search optuna`: each fold draws its own points, by its own dev part alone, and resumes."""

import pandas as pd
import pytest

from tokser.config import ClassifySettings, PoolSettings
from tokser.errors import MissingPackageError, SettingsError
from tokser.experiments import fold_study
from tokser.experiments.fold_study import JOURNAL, FoldStudy
from tokser.experiments.search_space import Range, Values, space_of_values
from tokser.stages.classify import classify
from tokser.stages.pool import pool

pytest.importorskip("optuna")
pytestmark = pytest.mark.slow

GRID = {
    "batch_sizes": (8, 16),
    "learning_rates": (1e-3, 1e-1),
    "hidden": ((6,), (4, 4)),
    "epochs": 2,
}
RIDGE = "sklearn.linear_model:RidgeClassifier"
ALPHA = {"alpha": {"low": 0.01, "high": 100.0, "log": True}}


@pytest.fixture
def settings(stores, tmp_path):
    opened = stores.complete(stores.manifest(60))
    pool(PoolSettings(store=opened.path))
    places = {"dataset": "emodb", "store": opened.path, "protocols": ("speaker",)}
    usual = {"search": "optuna", "trials": 4, "grid": GRID, "device": "cpu"}

    def make(out="out", **changes):
        return ClassifySettings(**(places | {"out": tmp_path / out} | usual | changes))

    return make


def trials_of(out) -> pd.DataFrame:
    return pd.read_csv(out / "grid.csv", dtype={"fold": str})


def test_each_fold_draws_its_own_points_within_the_space(settings):
    out = classify(settings(heads=("mlp", "logreg")))
    trials = trials_of(out)
    drawn = trials[trials["classifier"] == "mlp"]
    assert drawn.groupby("fold").size().eq(4).all()
    assert drawn["learning_rate"].between(1e-3, 1e-1).all()
    assert drawn["learning_rate"].nunique() > 8
    assert set(drawn["batch_size"]) <= {8, 16}
    assert set(drawn["hidden"]) == {"6", "4-4"}
    for _, fold in drawn.groupby("fold"):
        (selected,) = fold[fold["selected"]].to_dict("records")
        assert selected["dev_uar"] == fold["dev_uar"].max()
        assert 0 <= selected["dev_uar_crossfit"] <= 1
    assert len(trials[trials["classifier"] == "logreg"]) == 4  # its one point, of each fold
    assert pd.read_csv(out / "summary.csv")["setup"].eq("Optuna, 4 trials").all()


def test_a_seed_gives_the_same_search_again(settings):
    tables = [
        trials_of(classify(settings(out=name, heads=(RIDGE,), head_grid=ALPHA, seed=seed)))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert set(tables[0]["params"]).isdisjoint(tables[2]["params"])


def test_a_search_that_was_stopped_goes_on_where_it_was(settings, monkeypatch):
    told = {"heads": (RIDGE,), "head_grid": ALPHA}
    whole = classify(settings(out="whole", **told))
    trained = []
    real = fold_study.FoldStudy.run

    def run(study, num_trials, train):
        def counted(point):
            if len(trained) == 6:
                raise KeyboardInterrupt
            trained.append(point)
            return train(point)

        return real(study, num_trials, counted)

    with monkeypatch.context() as patched:
        patched.setattr(fold_study.FoldStudy, "run", run)
        with pytest.raises(KeyboardInterrupt):
            classify(settings(out="stopped", **told))
    monkeypatch.setattr(
        fold_study.FoldStudy,
        "run",
        lambda study, n, train: real(study, n, lambda p: (trained.append(p), train(p))[1]),
    )
    stopped = classify(settings(out="stopped", **told))
    assert len(trained) == 4 * 4
    pd.testing.assert_frame_equal(trials_of(stopped), trials_of(whole))


def test_a_damaged_journal_begins_again(tmp_path, capsys):
    journal = tmp_path / JOURNAL
    space = {"x": Range(0.0, 1.0)}

    def train(point):
        return point["x"], {"dev": point["x"]}

    first = FoldStudy(journal, "s1", space, 0)
    first.run(3, train)
    journal.write_text("{no json")
    again = FoldStudy(journal, "s1", space, 0)
    assert "begins again" in capsys.readouterr().err
    again.run(3, train)
    assert again.points == first.points


def test_the_space_of_a_class_is_read_from_its_grid():
    values = {"a": [1, 2], "b": {"low": 1, "high": 9, "step": 2}, "c": 3, "d": [1]}
    assert space_of_values(values) == {
        "a": Values((1, 2)),
        "b": Range(1.0, 9.0, step=2.0, is_whole=True),
    }
    for wrong in ({"low": 1}, {"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}):
        with pytest.raises(SettingsError, match="a range such as"):
            space_of_values({"a": wrong})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {"batch_sizes": (8,), "learning_rates": (0.1,)}}, "something to choose among"),
        ({"heads": (RIDGE,)}, "something to choose among"),
        ({"heads": (RIDGE,), "head_grid": ALPHA, "search": "grid"}, "got a range"),
    ],
)
def test_a_search_without_a_space_is_refused(settings, tmp_path, changes, message):
    with pytest.raises(SettingsError, match=message):
        classify(settings(**changes))
    assert not (tmp_path / "out").exists()


def test_without_optuna_nothing_is_written(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(fold_study, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"tokser\[search\]"):
        classify(settings())
    assert not (tmp_path / "out").exists()


def test_a_point_is_trained_as_the_grid_trains_it(settings):
    """Weights follow seed and fold, so the same point has the same score."""
    one = {"batch_sizes": (8,), "learning_rates": (1e-2,), "hidden": (6,), "epochs": 2}
    two = one | {"batch_sizes": (8, 8)}  # a choice that is none
    by_grid = trials_of(classify(settings(out="grid", search="grid", grid=one)))
    drawn = trials_of(classify(settings(out="drawn", grid=two, trials=1)))
    pd.testing.assert_frame_equal(by_grid[["fold", "dev_uar"]], drawn[["fold", "dev_uar"]])
