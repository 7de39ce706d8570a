"""Fitting models of scikit-learn: once, or epoch by epoch with the best one kept."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped

from tokser.classify.grid import Point
from tokser.config import GridSettings

__all__ = ["Candidate", "Part", "fit_epochs", "fit_once"]


@dataclass(frozen=True)
class Part:
    """A part of a split, standardised by train.

    Attributes:
        values: Functionals, [utterances, features].
        target: Labels, or numbers on train's scale, [utterances].
    """

    values: Float32[np.ndarray, "utterances features"]
    target: Shaped[np.ndarray, " utterances"]


Fit = Callable[[Part, Part], tuple[Any, int | None]]
"""Takes train and dev; returns a model and, if it has epochs, its best one."""


@dataclass(frozen=True)
class Candidate:
    """One point of a search.

    Attributes:
        told: Its columns in the table of trials, for instance `C`.
        fit: How it is fitted.
    """

    told: dict[str, Any]
    fit: Fit


def fit_once(model: Any) -> Fit:
    """Fit a copy of a model, which has no epochs."""
    return lambda train, dev: (copy.deepcopy(model).fit(train.values, train.target), None)


def fit_epochs(
    network: type[Any],
    point: Point,
    grid: GridSettings,
    *,
    seed: int,
    quality: Callable[[Any, Part], float],
    options: Callable[[Part], Mapping[str, Any]] = lambda train: {},
) -> Fit:
    """Train a network epoch by epoch, and keep the first epoch that is best on dev.

    Args:
        network: `MLPClassifier` or `MLPRegressor`.
        point: Batch size, learning rate and widths.
        grid: Epochs, and early stopping.
        seed: Of weights and order.
        quality: What is best, of a model on dev.
        options: What `partial_fit` is told besides, by train.
    """

    def fit(train: Part, dev: Part) -> tuple[Any, int]:
        model = network(
            hidden_layer_sizes=point.hidden,
            batch_size=min(point.batch_size, len(train.target)),
            learning_rate_init=point.learning_rate,
            alpha=0.0,
            random_state=seed,
        )
        told = options(train)
        best: tuple[float, int, Any] = (-np.inf, 0, None)
        for epoch in range(1, grid.epochs + 1):
            model.partial_fit(train.values, train.target, **told)
            reached = quality(model, dev)
            if reached > best[0]:
                best = (reached, epoch, copy.deepcopy(model))
            if grid.early_stopping and epoch - best[1] >= grid.early_stopping:
                break
        return best[2], best[1]

    return fit
