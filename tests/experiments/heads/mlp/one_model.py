"""One classifier alone, by torch's own layers, optimiser and schedule: what trainers follow."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
import torch
from sklearn.metrics import recall_score
from torch import nn

from tokser.experiments.heads.losses import class_importance
from tokser.experiments.heads.mlp.fold import Fold, sample_order
from tokser.experiments.heads.mlp.model import initialise

SEED = 5


def make_fold(number, num_train, num_dev, *, features=12, classes=3):
    """A fold whose classes overlap."""
    rng = np.random.default_rng([2, number])
    centres = np.random.default_rng(1).normal(size=(classes, features))
    labels, dev_labels = (rng.integers(0, classes, n) for n in (num_train, num_dev))
    train, dev = (
        (centres[known] + 2 * rng.normal(size=(len(known), features))).astype(np.float32)
        for known in (labels, dev_labels)
    )
    return Fold(number, train, labels, dev, dev_labels, rng.permutation(num_dev) % 2)


class Alone(NamedTuple):
    """What came of one model alone; parameters are those of its best epoch."""

    dev_score: float
    best_epoch: int
    parameters: list
    last_rate: float
    epochs: int
    rates: list
    halves: list


def train_alone(fold, point, settings, *, classes=3):
    """Train with autograd, torch.optim.Adam and ReduceLROnPlateau."""
    model = _plain_model(fold, point.hidden, classes)
    adam = torch.optim.Adam(model.parameters(), lr=point.learning_rate)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        adam, mode="max", factor=settings.plateau_factor, patience=settings.plateau_patience
    )
    importance = class_importance(fold.train_target, classes, is_balanced=settings.class_weights)
    loss = nn.CrossEntropyLoss(weight=torch.from_numpy(importance))
    inputs, labels, dev = map(torch.from_numpy, (fold.train, fold.train_target, fold.dev))
    best_uar, best_epoch, parameters = -1.0, 0, []
    epoch, rates, all_guesses = 0, [], []
    for epoch in range(1, settings.epochs + 1):
        rates.append(adam.param_groups[0]["lr"])
        order = torch.from_numpy(sample_order(SEED, fold, epoch))
        for chosen in order.split(point.batch_size):
            adam.zero_grad()
            loss(model(inputs[chosen]), labels[chosen]).backward()
            adam.step()
        guesses, known = model(dev).argmax(dim=1).numpy(), fold.dev_target
        all_guesses.append(guesses)
        uar = recall_score(known, guesses, average="macro", labels=np.unique(known))
        schedule.step(uar)
        if uar > best_uar:
            best_uar, best_epoch = uar, epoch
            parameters = [p.detach().clone() for p in model.parameters()]
        if settings.early_stopping and epoch - best_epoch >= settings.early_stopping:
            break
    last_rate = adam.param_groups[0]["lr"]
    halves = _halves_alone(fold, all_guesses)
    return Alone(best_uar, best_epoch, parameters, last_rate, epoch, rates, halves)


def refit_alone(fold, point, rates, settings, *, classes=3):
    """Train for as many epochs as there are learning rates, and use no dev part."""
    model = _plain_model(fold, point.hidden, classes)
    adam = torch.optim.Adam(model.parameters())
    importance = class_importance(fold.train_target, classes, is_balanced=settings.class_weights)
    loss = nn.CrossEntropyLoss(weight=torch.from_numpy(importance))
    inputs, labels = torch.from_numpy(fold.train), torch.from_numpy(fold.train_target)
    for epoch, rate in enumerate(rates, start=1):
        adam.param_groups[0]["lr"] = rate
        for chosen in torch.from_numpy(sample_order(SEED, fold, epoch)).split(point.batch_size):
            adam.zero_grad()
            loss(model(inputs[chosen]), labels[chosen]).backward()
            adam.step()
    return [p.detach().clone() for p in model.parameters()]


def _halves_alone(fold, guesses):
    """The first epoch that is best on each half, its UAR there, and the other half's guesses."""
    found = []
    for half in (0, 1):
        mine, known = fold.dev_half == half, fold.dev_target
        uars = [
            recall_score(known[mine], g[mine], average="macro", labels=np.unique(known[mine]))
            for g in guesses
        ]
        best = int(np.argmax(uars))
        found.append((uars[best], guesses[best][~mine]))
    return found


def assert_trained_alike(trained, model, expected, *, tolerance=1e-5):
    """Each parameter within `tolerance` of the peer's, relative to its norm."""
    assert abs(trained.dev_score[model] - expected.dev_score) < 1e-12
    assert trained.best_epoch[model] == expected.best_epoch
    assert trained.schedule(model) == pytest.approx(expected.rates[: expected.best_epoch])
    assert_parameters_alike(trained.parameters, model, expected.parameters, tolerance=tolerance)
    reached, others = trained.halves.reached[model], trained.halves.others[model]
    for half, (uar, guesses) in enumerate(expected.halves):
        assert abs(reached[half] - uar) < 1e-12
        assert np.array_equal(
            others[half].sum(axis=0), np.bincount(guesses, minlength=len(others[half]))
        )


def assert_parameters_alike(stack, model, parameters, *, tolerance=1e-5):
    """Each parameter within `tolerance` of the peer's, relative to its norm."""
    for together, single in zip(stack, parameters, strict=True):
        own = together[model].T.reshape(single.shape)
        assert (own - single).norm() <= tolerance * single.norm()


def _plain_model(fold, hidden, classes):
    widths = (fold.train.shape[1], *hidden)
    drawn = [p[0] for p in initialise((*widths, classes), [(SEED, fold.number)])]
    layers = []
    for wide, narrow in itertools.pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.LayerNorm(narrow), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], classes))
    for parameter, values in zip(model.parameters(), drawn, strict=True):
        parameter.data.copy_(values.T.reshape(parameter.shape))
    return model
