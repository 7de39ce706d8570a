"""What every trained head does: kept as arrays, restored bit by bit."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.svm import SVC, LinearSVC

from tokser.config import GridSettings
from tokser.errors import CheckpointError, MissingPackageError
from tokser.experiments.classification import Classification
from tokser.experiments.heads.gaussian_svm import TrainingKernel
from tokser.experiments.heads.head import Choice, Fitting
from tokser.experiments.heads.registry import HEADS, TRAINED_HEADS, restore_head
from tokser.experiments.heads.trained_foreign import TrainedForeign
from tokser.experiments.multilabel import MultiLabel
from tokser.experiments.regression import Regression
from tokser.experiments.splits.protocols import Split
from tokser.experiments.training_data import TrainingData

pytestmark = pytest.mark.slow

CLASSES = ("anger", "boredom", "neutral", "sadness")
GRID = GridSettings(batch_sizes=(8,), learning_rates=(1e-2,), hidden=(6, 5), epochs=2)
TASKS = {
    "classification": Classification(),
    "regression": Regression(("valence",)),
    "multilabel": MultiLabel(),
}
CASES = [
    (name, head)
    for name, task in TASKS.items()
    for head in HEADS
    if task.loss in HEADS[head].losses and HEADS[head].reads == "functionals"
]
"""Heads over frames: frames/test_trained.py."""


def make_data(task: str, num_classes: int = 3) -> TrainingData:
    """Forty utterances, of which one fold of thirty trains; one class is in nobody's training."""
    rng = np.random.default_rng(0)
    ids = pd.Index([f"utt{i:02d}" for i in range(40)], name="id")
    values = rng.normal(size=(4, 7))[np.arange(40) % 4] + rng.normal(size=(40, 7))
    functionals = pd.DataFrame(values.astype(np.float32), index=ids)
    labels = pd.Series([CLASSES[i % num_classes] for i in range(40)], index=ids, dtype=object)
    labels.iloc[-1] = CLASSES[-1]
    target = {
        "classification": labels,
        "regression": pd.Series(3 + values[:, 0], index=ids),
        "multilabel": pd.get_dummies(labels).astype(float),
    }[task]
    splits = (Split("1", tuple(ids[:20]), tuple(ids[20:30]), tuple(ids[30:])),)
    return TrainingData(TASKS[task], functionals, target, splits, GRID, 0)


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case), scope="module")
def fold(request):
    """The data and what a fold left."""
    name, head = request.param
    data = make_data(name)
    (fitted,) = HEADS[head].fit(data, Fitting())
    return data, HEADS[head], fitted.fitted


def again(trained):
    """Restore a head of what JSON and safetensors keep of it."""
    from safetensors.numpy import load, save

    arrays = load(save({n: np.ascontiguousarray(a) for n, a in trained.arrays().items()}))
    description = json.loads(json.dumps(trained.description()))
    return restore_head(trained.kind, description, arrays)


def test_a_restored_head_puts_out_the_same_bits(fold):
    data, _, fitted = fold
    for values in (data.functionals.to_numpy(), data.functionals.to_numpy()[:1]):
        scaled = fitted.scaling.apply(values)
        restored = again(fitted.head)
        np.testing.assert_array_equal(restored.outputs(scaled), fitted.head.outputs(scaled))
        np.testing.assert_array_equal(again(restored).outputs(scaled), restored.outputs(scaled))


def test_it_says_how_wide_it_is(fold):
    data, _, fitted = fold
    assert fitted.head.num_features == again(fitted.head).num_features == 7
    assert fitted.head.num_outputs == again(fitted.head).num_outputs == len(data.classes)


def test_a_class_that_training_lacked_has_its_column(fold):
    data, _, fitted = fold
    outputs = fitted.outputs(data.functionals.to_numpy())
    if not data.classes:
        assert outputs.shape == (40,)
        return
    assert outputs.shape == (40, 4)
    if data.task.loss == "binary cross-entropy":
        assert outputs.min() >= 0 and outputs.max() <= 1
        return
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)


def test_numbers_are_on_the_scale_of_the_corpus(fold):
    data, _, fitted = fold
    if not data.classes:
        outputs = fitted.outputs(data.functionals.to_numpy())
        assert abs(outputs.mean() - data.target.mean()) < 1


def test_an_array_that_is_absent_is_noticed(fold):
    trained = fold[2].head
    for name in trained.arrays():
        arrays = trained.arrays()
        del arrays[name]
        with pytest.raises((LookupError, ValueError)):
            restore_head(trained.kind, trained.description(), arrays)


def test_an_array_of_another_shape_is_noticed(fold):
    trained = fold[2].head
    for name, array in trained.arrays().items():
        arrays = trained.arrays() | {name: np.concatenate([array, array])}
        with pytest.raises(ValueError, match=r"."):
            restored = restore_head(trained.kind, trained.description(), arrays)
            if restored.num_features != 7:
                raise ValueError("noticed where the width of the features is compared")


def test_everything_is_fitted_with_what_was_chosen(fold):
    data, head, _ = fold
    whole = head.fit_all(data, Choice(0, epochs=20))
    expected = data.scaling(list(data.functionals.index))
    np.testing.assert_array_equal(whole.scaling.mean, expected.mean)
    same = head.fit_all(data, Choice(0, epochs=20))
    values = data.functionals.to_numpy()
    np.testing.assert_array_equal(whole.outputs(values), same.outputs(values))
    assert (
        data.task.score(
            data.task.sums(
                data.target.to_numpy(),
                data.task.decide(whole.outputs(values), data.classes),
                data.classes,
            )[None]
        )
        > 0.2
    )


def test_a_fit_of_train_and_dev_alone_is_the_refit_of_a_fold():
    data = make_data("classification")
    (fold,) = HEADS["logreg"].fit(data, Fitting())
    known = list(data.functionals.index[:30])
    part = TrainingData(
        data.task, data.functionals.loc[known], data.target.loc[known], data.splits, GRID, 0
    )
    whole = HEADS["logreg"].fit_all(part, Choice(0))
    values = data.functionals.to_numpy()
    np.testing.assert_array_equal(
        whole.outputs(values), fold.fitted.outputs(values)[:, : len(part.classes)]
    )


def test_longer_training_than_the_fold_keeps_its_last_rate():
    data = make_data("classification")
    short = HEADS["mlp"].fit_all(data, Choice(0, epochs=1))
    long = HEADS["mlp"].fit_all(data, Choice(0, epochs=6))
    values = data.functionals.to_numpy()
    assert not np.array_equal(short.outputs(values), long.outputs(values))


@pytest.mark.parametrize("num_classes", [2, 3])
def test_support_vectors_decide_as_the_formula_says(num_classes):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(60, 5))
    labels = np.array(CLASSES, dtype=object)[np.arange(60) % num_classes]
    model = TrainingKernel(values).fit(labels, 3.0, None)
    trained = TRAINED_HEADS["svm"](model, CLASSES[:num_classes])
    arrays = trained.arrays()
    kernel = np.exp(
        -arrays["gamma"][0] * ((values[:, None] - arrays["support_vectors"][None]) ** 2).sum(axis=2)
    )
    ends = np.concatenate([[0], np.cumsum(arrays["num_support"])])
    decided, pair = [], 0
    for first in range(num_classes):
        for second in range(first + 1, num_classes):
            one, two = slice(*ends[first : first + 2]), slice(*ends[second : second + 2])
            coefficients = arrays["coefficients"]
            value = kernel[:, one] @ coefficients[second - 1, one]
            value += kernel[:, two] @ coefficients[first, two] + arrays["intercepts"][pair]
            decided.append(value)
            pair += 1
    found, pairs = again(trained).estimator.decisions_of_pairs(values)
    np.testing.assert_allclose(found, np.stack(decided, axis=1), atol=1e-9)
    assert len(pairs) == pair


@pytest.mark.parametrize("estimator", [RandomForestClassifier(5), LinearSVC(), SVC()])
def test_a_foreign_classifier_is_kept_through_skops(estimator):
    data = make_data("classification")
    values, labels = data.functionals.to_numpy(), data.target.to_numpy(dtype=object)
    trained = TrainedForeign(estimator.fit(values, labels), data.classes)
    restored = again(trained)
    np.testing.assert_array_equal(restored.outputs(values), trained.outputs(values))
    assert trained.outputs(values).shape == (40, 4)
    np.testing.assert_allclose(trained.outputs(values).sum(axis=1), 1)


def test_a_foreign_regressor_is_kept_through_skops():
    data = make_data("regression")
    values = data.functionals.to_numpy()
    trained = TrainedForeign(RandomForestRegressor(3).fit(values, data.target), ())
    np.testing.assert_array_equal(again(trained).outputs(values), trained.outputs(values))


class Mine(RandomForestClassifier):
    """An estimator that nobody knows."""


def test_a_type_that_nobody_trusts_is_named():
    data = make_data("classification")
    values, labels = data.functionals.to_numpy(), data.target.to_numpy(dtype=object)
    trained = TrainedForeign(Mine(3).fit(values, labels), data.classes)
    name = f"{Mine.__module__}.Mine"
    with pytest.raises(CheckpointError, match=r"Mine.*trusted=\["):
        again(trained)
    restored = restore_head("skops", trained.description(), trained.arrays(), [name])
    np.testing.assert_array_equal(restored.outputs(values), trained.outputs(values))


def test_an_estimator_of_other_classes_is_refused():
    data = make_data("classification")
    values, labels = data.functionals.to_numpy(), data.target.to_numpy(dtype=object)
    trained = TrainedForeign(RandomForestClassifier(2).fit(values, labels), data.classes)
    description = trained.description() | {"trained_classes": ["anger", "boredom"]}
    with pytest.raises(ValueError, match="of the classes"):
        restore_head("skops", description, trained.arrays())


def test_without_skops_the_remedy_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(MissingPackageError, match=r"tokser\[models\]"):
        TrainedForeign(RandomForestClassifier(), ()).arrays()


def test_every_head_is_kept_as_a_kind_of_the_registry():
    assert len(TRAINED_HEADS) == 13
    for name, kind in TRAINED_HEADS.items():
        assert kind.kind == name
