import numpy as np
import pytest
import torch

from tokser.config import GridSettings
from tokser.experiments.grid import Point
from tokser.experiments.heads.mlp.batched import predict, refit_batched, train_batched
from tokser.experiments.heads.mlp.fold import Fold

from .one_model import (
    SEED,
    assert_parameters_alike,
    assert_trained_alike,
    make_fold,
    refit_alone,
    train_alone,
)

FEATURES, CLASSES = 12, 3
CPU = torch.device("cpu")
SETTINGS = GridSettings(hidden=(8, 7, 6), epochs=6, plateau_patience=1)
fold = make_fold


def train(folds, rates, batch_size, settings=SETTINGS):
    return train_batched(
        folds,
        rates,
        batch_size=batch_size,
        hidden=settings.hidden,
        num_classes=CLASSES,
        settings=settings,
        seed=SEED,
        device=CPU,
    )


def plain_loop(fold, rate, batch_size, settings):
    return train_alone(fold, Point(batch_size, rate, settings.hidden), settings)


@pytest.mark.parametrize("batch_size", [4, 7, 64])
def test_a_stack_trains_each_model_as_it_would_train_alone(batch_size):
    folds = [fold(0, 61, 20), fold(1, 33, 9), fold(2, 50, 31)]
    pairs = [(f, rate) for rate in (1e-3, 1e-2) for f in folds]
    trained = train([f for f, _ in pairs], [rate for _, rate in pairs], batch_size)
    alone = [plain_loop(own, rate, batch_size, SETTINGS) for own, rate in pairs]
    for model, expected in enumerate(alone):
        assert_trained_alike(trained, model, expected)
    # Or the case would not tell a schedule from none, nor the best epoch from the last.
    assert any(e.last_rate < rate for e, (_, rate) in zip(alone, pairs, strict=True))
    assert len({expected.best_epoch for expected in alone}) > 1


def test_a_fold_with_fewer_steps_rests_while_the_others_go_on():
    small, large = fold(0, 5, 6), fold(1, 90, 6)
    settings = SETTINGS.model_copy(update={"epochs": 3})
    together = train([small, large], [1e-2, 1e-2], 4, settings)
    assert_trained_alike(together, 0, plain_loop(small, 1e-2, 4, settings))
    assert_trained_alike(together, 1, plain_loop(large, 1e-2, 4, settings))


@pytest.mark.parametrize("hidden", [(8, 7, 6), ()])
def test_class_weights_and_early_stopping_of_each_model(hidden):
    settings = SETTINGS.model_copy(
        update={"hidden": hidden, "class_weights": True, "early_stopping": 2, "epochs": 12}
    )
    folds = [fold(0, 61, 20), fold(1, 33, 9), fold(2, 50, 31)]
    trained = train(folds, [1e-2] * 3, 8, settings)
    alone = [plain_loop(own, 1e-2, 8, settings) for own in folds]
    for model, expected in enumerate(alone):
        assert_trained_alike(trained, model, expected)
    assert len({expected.epochs for expected in alone}) > 1


@pytest.mark.parametrize("weighted", [False, True])
def test_a_refit_follows_each_models_own_rates(weighted):
    settings = SETTINGS.model_copy(update={"class_weights": weighted})
    folds = [fold(0, 61, 0), fold(1, 33, 0), fold(2, 50, 0)]
    rates = [(1e-2,), (1e-3, 1e-3, 1e-4, 1e-4), (5e-3, 5e-4)]
    stack = refit_batched(
        folds, rates, batch_size=8, hidden=settings.hidden, num_classes=CLASSES,
        settings=settings, seed=SEED, device=CPU,
    )  # fmt: skip
    for model, (own, schedule) in enumerate(zip(folds, rates, strict=True)):
        expected = refit_alone(own, Point(8, 1.0, settings.hidden), schedule, settings)
        assert_parameters_alike(stack, model, expected)


def test_a_model_does_not_depend_on_its_neighbours():
    folds = [fold(0, 30, 10), fold(1, 41, 12)]
    alone = train(folds[1:], [5e-3], 8)
    among = train([*folds, folds[1]], [1e-3, 5e-3, 1e-3], 8)
    assert alone.best_epoch[0] == among.best_epoch[1]
    for single, together in zip(alone.parameters, among.parameters, strict=True):
        torch.testing.assert_close(single[0], together[1], rtol=1e-4, atol=1e-5)


def test_the_same_call_gives_the_same_bytes():
    first, second = (train([fold(0, 30, 10)], [1e-2], 8) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters, second.parameters, strict=True))


def test_what_comes_back_holds_no_gradients():
    assert not any(p.requires_grad for p in train([fold(0, 9, 4)], [1e-3], 4).parameters)


def test_the_first_of_equally_good_epochs_is_kept():
    easy = fold(0, 60, 12)
    easy = Fold(
        0, easy.train, easy.train_target, easy.train[:1], easy.train_target[:1], np.zeros(1, int)
    )
    trained = train([easy], [1e-2], 4)
    assert trained.dev_score[0] == 1.0
    early = SETTINGS.model_copy(update={"epochs": int(trained.best_epoch[0])})
    sooner = train([easy], [1e-2], 4, early)
    assert all(
        torch.equal(a, b) for a, b in zip(trained.parameters, sooner.parameters, strict=True)
    )
    assert trained.best_epoch[0] < SETTINGS.epochs


def test_predictions_are_probabilities():
    trained = train([fold(0, 30, 10), fold(1, 30, 10)], [1e-3, 1e-3], 8)
    found = predict(trained.parameters, torch.randn(2, 5, FEATURES))
    assert found.shape == (2, 5, CLASSES)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-6)
