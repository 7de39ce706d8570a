"""tokser's heads keep scikit-learn's contract, and train what `tokser classify` trains."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import tokser
from tokser.heads import LinearProbe, MLPClassifier

pytestmark = pytest.mark.slow

QUICK = {"epochs": 20, "learning_rate": 1e-2}


# None of the checks is expected to fail.
@parametrize_with_checks([MLPClassifier(hidden=(16,), **QUICK), LinearProbe(**QUICK)])
def test_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def samples():
    """Three classes in eight dimensions, of eight speakers."""
    rng = np.random.default_rng(0)
    y = np.array(["anger", "neutral", "sadness"])[np.arange(120) % 3]
    X = rng.normal(size=(120, 8)) + (np.arange(120) % 3)[:, None] * np.linspace(0, 1.5, 8)
    return X, y, np.arange(120) // 15


@pytest.mark.parametrize("kind", [MLPClassifier, LinearProbe])
def test_it_learns_and_is_reproducible(kind, samples):
    X, y, speakers = samples
    model = kind(**QUICK, random_state=3).fit(X, y, groups=speakers)
    assert (model.predict(X) == y).mean() > 0.7
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-5)
    again = kind(**QUICK, random_state=3).fit(X, y, groups=speakers)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    other = kind(**QUICK, random_state=4).fit(X, y, groups=speakers)
    assert not np.array_equal(model.predict_proba(X), other.predict_proba(X))


def test_it_works_in_pipelines_and_searches(samples):
    X, y, speakers = samples
    pipeline = make_pipeline(StandardScaler(), LinearProbe(**QUICK))
    scores = cross_val_score(pipeline, X, y, groups=speakers, cv=GroupKFold(3))
    assert scores.mean() > 0.6
    grid = {"hidden": [(8,), (16, 8)], "batch_size": [16]}
    search = GridSearchCV(MLPClassifier(**QUICK), grid, cv=GroupKFold(3))
    assert search.fit(X, y, groups=speakers).best_params_["batch_size"] == 16


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(6), 5)])
def test_no_group_is_in_both_parts_and_no_class_is_lost(groups):
    from tokser.heads import _dev_part

    numbers = np.arange(30) % 3
    is_dev = _dev_part(numbers, groups, 0.2, np.random.default_rng(0))
    assert 3 <= is_dev.sum() <= 10
    assert set(numbers[~is_dev]) == {0, 1, 2}
    if groups is not None:
        assert not set(groups[is_dev]) & set(groups[~is_dev])


def test_wrong_settings_are_errors(samples):
    X, y, speakers = samples
    for wrong, message in (
        ({"dev_fraction": 1.0}, "dev_fraction"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_sizes"),
    ):
        with pytest.raises(ValueError, match=message):
            MLPClassifier(**wrong).fit(X, y)
    with pytest.raises(ValueError, match="groups: expected 120"):
        MLPClassifier().fit(X, y, groups=speakers[:10])


def test_it_trains_what_classify_trains(samples, stores, tmp_path):
    """The same weights of the same fold: a search of one point on the same parts."""
    from tokser.config import GridSettings
    from tokser.experiments.heads.head import Fitting
    from tokser.experiments.heads.mlp.head import MLPHead

    X, y, speakers = samples
    model = MLPClassifier(hidden=(6,), **QUICK, random_state=0).fit(X, y, groups=speakers)
    numbers = np.unique(y, return_inverse=True)[1]
    from tokser.heads import _dev_part

    is_dev = _dev_part(numbers, speakers, 0.2, np.random.default_rng(0))
    data = model._data(X.astype(np.float32), numbers, is_dev, 0)
    assert data.grid == GridSettings(
        batch_sizes=(32,), learning_rates=(1e-2,), hidden=(6,), epochs=20
    )
    fold = next(MLPHead().fit(data, Fitting()))
    np.testing.assert_array_equal(fold.fitted.outputs(X.astype(np.float32)), model.predict_proba(X))
    assert tokser.heads.MLPClassifier is MLPClassifier
