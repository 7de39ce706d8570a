"""One feature under one protocol: train the grid, select per fold on dev, predict test."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from tokser.classify.grid import Fold, predict, train_stack
from tokser.classify.linear import fit_predict_logreg
from tokser.classify.mlp import Stack
from tokser.classify.protocols import Split
from tokser.config import GridSettings
from tokser.device import one_thread
from tokser.functionals.standardise import Standardiser

__all__ = ["GROUP_BYTES", "Found", "num_models", "search_logreg", "search_mlp"]

GROUP_BYTES = 32 * 2**20
"""Parameters, gradients, moments and best epochs of the models that train together, at most."""

_TRIAL_TYPES = {
    "fold": str,
    "batch_size": "int64",
    "learning_rate": "float64",
    "best_epoch": "int64",
    "dev_uar": "float64",
    "selected": bool,
}


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        predictions: Columns fold, id, label, prediction, probability_<class>...
        trials: Columns fold, batch_size, learning_rate, best_epoch, dev_uar, selected.
    """

    predictions: pd.DataFrame
    trials: pd.DataFrame


class _Trial(NamedTuple):
    """A point of the grid, trained on one fold, which is named by its number."""

    fold: int
    batch_size: int
    learning_rate: float
    best_epoch: int
    dev_uar: float


class _Best(NamedTuple):
    """The best trial of a fold so far: its position among all trials, and its parameters."""

    position: int
    trial: _Trial
    stack: Stack


def num_models(splits: Sequence[Split], grid: GridSettings) -> int:
    """Count the models that a search trains."""
    return len(splits) * len(grid.batch_sizes) * len(grid.learning_rates)


def search_mlp(
    functionals: pd.DataFrame,
    labels: "pd.Series[str]",
    splits: Sequence[Split],
    grid: GridSettings,
    *,
    seed: int,
    device: torch.device,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[Split, dict[str, float]], None] = lambda split, chosen: None,
) -> Found:
    """Search the grid; each fold selects by its own dev UAR, the first best in grid order.

    Args:
        functionals: [utterances, features], index = id.
        labels: Emotion of each utterance, index = id.
        splits: The folds.
        grid: Points and training.
        seed: Of weights and order.
        device: Where it runs.
        on_models: Called with the number of models trained since the last call.
        before_test: Called with the split and the selected point before its test is looked at.
    """
    classes = tuple(sorted(labels.unique()))
    scalings = [Standardiser.fit(functionals.loc[list(split.train)].to_numpy()) for split in splits]
    folds = [
        _fold(number, functionals, labels, split, scalings[number], classes)
        for number, split in enumerate(splits)
    ]
    with one_thread():
        trials, best = _train_grid(folds, len(classes), grid, seed, device, on_models)
    parts = []
    for number, split in enumerate(splits):
        chosen, stack = best[number].trial, best[number].stack
        before_test(split, {"batch_size": chosen.batch_size, "learning_rate": chosen.learning_rate})
        test = scalings[number].apply(functionals.loc[list(split.test)].to_numpy())
        probabilities = predict(stack, torch.from_numpy(test).to(device)[None])[0]
        parts.append(_predictions(split, labels, probabilities, classes))
    selected = {chosen.position for chosen in best.values()}
    rows = [
        (splits[trial.fold].fold, *trial[1:], position in selected)
        for position, trial in enumerate(trials)
    ]
    return Found(pd.concat(parts, ignore_index=True), _trial_table(rows))


def search_logreg(
    functionals: pd.DataFrame,
    labels: "pd.Series[str]",
    splits: Sequence[Split],
    *,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[Split, dict[str, float]], None] = lambda split, chosen: None,
) -> Found:
    """Fit logistic regression on each fold; nothing is selected, so dev joins train."""
    classes = tuple(sorted(labels.unique()))
    parts = []
    for split in splits:
        before_test(split, {"C": 1.0})
        known = [*split.train, *split.dev]
        probabilities = fit_predict_logreg(
            functionals.loc[known].to_numpy(),
            labels.loc[known].to_numpy(dtype=object),
            functionals.loc[list(split.test)].to_numpy(),
            classes,
        )
        parts.append(_predictions(split, labels, probabilities, classes))
        on_models(1)
    return Found(pd.concat(parts, ignore_index=True), _trial_table([]))


def _train_grid(
    folds: Sequence[Fold],
    num_classes: int,
    grid: GridSettings,
    seed: int,
    device: torch.device,
    on_models: Callable[[int], None],
) -> tuple[list[_Trial], dict[int, _Best]]:
    """Train every point on every fold; return all trials, and the best by number of the fold."""
    trials: list[_Trial] = []
    best: dict[int, _Best] = {}
    size = _group_size(folds[0].train.shape[1], num_classes, grid)
    pairs = [(fold, rate) for rate in grid.learning_rates for fold in folds]
    for batch_size in grid.batch_sizes:
        for first in range(0, len(pairs), size):
            group = pairs[first : first + size]
            trained = train_stack(
                [fold for fold, _ in group],
                [rate for _, rate in group],
                batch_size=batch_size,
                num_classes=num_classes,
                settings=grid,
                seed=seed,
                device=device,
            )
            for model, (fold, rate) in enumerate(group):
                epoch, dev_uar = int(trained.best_epoch[model]), float(trained.dev_uar[model])
                trial = _Trial(fold.number, batch_size, rate, epoch, dev_uar)
                if fold.number not in best or dev_uar > best[fold.number].trial.dev_uar:
                    own = [parameter[model : model + 1].clone() for parameter in trained.stack]
                    best[fold.number] = _Best(len(trials), trial, own)
                trials.append(trial)
            on_models(len(group))
    return trials, best


def _trial_table(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    """Make the table of trials; one without rows has the same columns and types."""
    return pd.DataFrame(list(rows), columns=list(_TRIAL_TYPES)).astype(_TRIAL_TYPES)


def _fold(
    number: int,
    functionals: pd.DataFrame,
    labels: "pd.Series[str]",
    split: Split,
    scaling: Standardiser,
    classes: tuple[str, ...],
) -> Fold:
    train, dev = (
        scaling.apply(functionals.loc[list(part)].to_numpy()) for part in (split.train, split.dev)
    )
    train_labels, dev_labels = (
        np.array([classes.index(label) for label in labels.loc[list(part)]], dtype=np.int64)
        for part in (split.train, split.dev)
    )
    return Fold(number, train, train_labels, dev, dev_labels)


def _group_size(num_features: int, num_classes: int, grid: GridSettings) -> int:
    """Models whose parameters, gradients, two moments and best epoch fit the budget."""
    widths = (num_features, *grid.hidden, num_classes)
    num_weights = sum(wide * narrow for wide, narrow in itertools.pairwise(widths))
    return max(1, GROUP_BYTES // (5 * 4 * num_weights))


def _predictions(
    split: Split, labels: "pd.Series[str]", probabilities: np.ndarray, classes: tuple[str, ...]
) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "fold": split.fold,
            "id": list(split.test),
            "label": labels.loc[list(split.test)].to_numpy(),
            "prediction": [classes[i] for i in probabilities.argmax(axis=1)],
        }
    )
    for column, name in enumerate(classes):
        table[f"probability_{name}"] = probabilities[:, column]
    return table
