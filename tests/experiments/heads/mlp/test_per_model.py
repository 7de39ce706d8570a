from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.config import GridSettings
from tokser.experiments.grid import Point
from tokser.experiments.heads.mlp.batched import train_batched
from tokser.experiments.heads.mlp.fold import Fold
from tokser.experiments.heads.mlp.per_model import (
    prepare,
    refit_per_model,
    train_per_model,
    workspace_bytes,
)

from .one_model import (
    SEED,
    assert_parameters_alike,
    assert_trained_alike,
    make_fold,
    refit_alone,
    train_alone,
)

SETTINGS = GridSettings(epochs=6, plateau_patience=1)


def train(fold, point, settings=SETTINGS, classes=3):
    prepared = prepare(fold, epochs=settings.epochs, seed=SEED)
    return train_per_model(prepared, point, num_classes=classes, settings=settings, seed=SEED)


@pytest.mark.parametrize("hidden", [(8, 7, 6), (128, 64, 32), (200,), (16, 48), ()])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 33, 60, 1024])
def test_it_is_the_training_of_torch_alone(hidden, batch_size):
    fold, point = make_fold(0, 61, 70), Point(batch_size, 3e-3, hidden)
    assert_trained_alike(train(fold, point), 0, train_alone(fold, point, SETTINGS))


def test_at_the_reports_size_with_the_plateau_reached():
    fold = make_fold(1, 150, 40, features=1000, classes=7)
    point = Point(8, 5e-3, (128, 64, 32))
    expected = train_alone(fold, point, SETTINGS, classes=7)
    assert expected.last_rate < point.learning_rate
    assert_trained_alike(train(fold, point, classes=7), 0, expected)


@pytest.mark.parametrize("hidden", [(8, 7, 6), ()])
def test_with_class_weights_and_early_stopping(hidden):
    own = SETTINGS.model_copy(update={"class_weights": True, "early_stopping": 2, "epochs": 12})
    folds = [make_fold(number, 50 + number, 30) for number in range(4)]
    stopped = set()
    for fold in folds:
        expected = train_alone(fold, Point(8, 1e-2, hidden), own)
        assert_trained_alike(train(fold, Point(8, 1e-2, hidden), own), 0, expected)
        stopped.add(expected.epochs)
    assert min(stopped) < 12


@pytest.mark.parametrize("hidden", [(8, 7, 6), ()])
def test_a_refit_follows_the_rates_that_it_is_given(hidden):
    fold, point, rates = make_fold(0, 61, 0), Point(8, 1.0, hidden), (1e-2, 1e-2, 1e-3)
    own = SETTINGS.model_copy(update={"class_weights": True})
    prepared = prepare(fold, epochs=len(rates), seed=SEED)
    stack = refit_per_model(prepared, point, rates, num_classes=3, settings=own, seed=SEED)
    assert_parameters_alike(stack, 0, refit_alone(fold, point, rates, own))


@settings(deadline=None, max_examples=25)
@given(
    num_train=st.integers(1, 90),
    num_dev=st.integers(1, 70),
    features=st.integers(1, 70),
    hidden=st.lists(st.integers(3, 40), max_size=3).map(tuple),  # two: see below
    batch_size=st.integers(1, 100),
    number=st.integers(0, 99),
)
def test_it_is_the_plain_form(num_train, num_dev, features, hidden, batch_size, number):
    fold = make_fold(number, num_train, num_dev, features=features, classes=4)
    few = SETTINGS.model_copy(update={"epochs": 2})
    found = train(fold, Point(batch_size, 1e-3, hidden), few, classes=4)
    expected = train_batched(
        [fold],
        [1e-3],
        batch_size=batch_size,
        hidden=hidden,
        num_classes=4,
        settings=few,
        seed=SEED,
        device=torch.device("cpu"),
    )
    np.testing.assert_allclose(found.dev_score, expected.dev_score)
    assert found.best_epoch == expected.best_epoch
    assert found.schedule(0) == expected.schedule(0)
    np.testing.assert_array_equal(found.halves.reached, expected.halves.reached)
    np.testing.assert_array_equal(found.halves.others, expected.halves.others)
    for mine, plain in zip(found.parameters, expected.parameters, strict=True):
        assert mine.shape == plain.shape
        torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("number", range(20))
def test_two_values_agree_with_the_batched_trainer(number):
    """A LayerNorm of two leaves +1 and -1: its gradient is rounding, and Adam follows it."""
    fold, few = make_fold(number, 25, 46, features=2, classes=4), GridSettings(epochs=2)
    found = train(fold, Point(2, 1e-3, (2,)), few, classes=4).parameters
    nudged = replace(fold, train=fold.train * np.float32(1 + 2e-7))
    plain, moved = (train_plain(one, few) for one in (fold, nudged))
    rounding = max(float((a - b).abs().max()) for a, b in zip(plain, moved, strict=True))
    assert rounding < 1e-4
    for mine, expected in zip(found, plain, strict=True):
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-4)


def train_plain(fold, own):
    told = {"batch_size": 2, "hidden": (2,), "num_classes": 4, "settings": own, "seed": SEED}
    return train_batched([fold], [1e-3], **told, device=torch.device("cpu")).parameters


def test_the_same_call_gives_the_same_bytes():
    fold, point = make_fold(0, 61, 20), Point(8, 1e-2, (20, 10))
    kept = [values.copy() for values in (fold.train, fold.train_target, fold.dev, fold.dev_target)]
    first, second = train(fold, point), train(fold, point)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters, second.parameters, strict=True))
    for before, after in zip(
        kept, (fold.train, fold.train_target, fold.dev, fold.dev_target), strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_the_first_of_equally_good_epochs_is_kept():
    easy = make_fold(0, 60, 12)
    easy = Fold(
        0, easy.train, easy.train_target, easy.train[:1], easy.train_target[:1], np.zeros(1, int)
    )
    trained = train(easy, Point(4, 1e-2, (8,)))
    assert trained.dev_score[0] == 1.0
    early = SETTINGS.model_copy(update={"epochs": int(trained.best_epoch[0])})
    sooner = train(easy, Point(4, 1e-2, (8,)), early)
    assert all(
        torch.equal(a, b) for a, b in zip(trained.parameters, sooner.parameters, strict=True)
    )


def test_what_a_thread_holds_is_bounded_by_the_batch():
    small, large = (
        workspace_bytes(1024, 7, Point(size, 1e-3, (128, 64, 32)), 375) for size in (4, 1024)
    )
    parameters = 4 * (1024 * 128 + 128 * 64 + 64 * 32)
    assert 4 * parameters < small < large < 4 * parameters + 4 * 500 * 3000
