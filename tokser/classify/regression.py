"""Emotion as numbers: valence, arousal and dominance by ridge regression or an MLP."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from tokser.classify.baselines import told_of
from tokser.classify.grid import Point, grid_points
from tokser.classify.metrics import ccc
from tokser.classify.protocols import Split
from tokser.classify.search import Found
from tokser.config import GridSettings
from tokser.functionals.standardise import Standardiser

__all__ = ["REGRESSORS", "num_regressions", "search_regressor"]

REGRESSORS = ("ridge", "mlp-sklearn")
_PENALTIES = tuple(float(10**power) for power in range(6))


@dataclass(frozen=True)
class _Part:
    """A part, functionals and target standardised by train.

    Attributes:
        values: [utterances, features].
        target: [utterances].
    """

    values: Float32[np.ndarray, "utterances features"]
    target: Float[np.ndarray, " utterances"]


@dataclass(frozen=True)
class _Point:
    """One point of a grid: its columns in the table of trials, and how it is fitted."""

    told: dict[str, Any]
    fit: Callable[[_Part, _Part], tuple[Any, int | None]]


def num_regressions(regressor: str, splits: Sequence[Split], grid: GridSettings) -> int:
    """Count the models that a search fits."""
    return len(splits) * sum(1 for _ in _points(regressor, grid, seed=0))


def search_regressor(
    regressor: str,
    functionals: pd.DataFrame,
    target: "pd.Series[float]",
    splits: Sequence[Split],
    grid: GridSettings,
    *,
    seed: int,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[Split, dict[str, Any]], None] = lambda split, chosen: None,
) -> Found:
    """Fit a regressor on each fold, which selects by the CCC on its own dev part.

    `ridge`: penalties 1, 10 ... 100,000, fitted again on train and dev together before it meets
    test. `mlp-sklearn`: `MLPRegressor` with the grid's points, widths and epochs, best epoch by
    dev CCC.

    Args:
        regressor: One of `REGRESSORS`.
        functionals: [utterances, features], index = id.
        target: What is predicted, index = id.
        splits: The folds.
        grid: Points and training of `mlp-sklearn`.
        seed: Of weights and order.
        on_models: Called with the number of models fitted since the last call.
        before_test: Called with the split and the selected point before its test is looked at.

    Returns:
        Predictions with the columns fold, id, truth, prediction, and trials with `dev_ccc`.
    """
    parts, trials = [], []
    with threadpool_limits(limits=1):
        for split in splits:
            fitted = _fitted(functionals, target, split.train)
            train, dev = fitted(split.train), fitted(split.dev)
            tried = []
            for point in _points(regressor, grid, seed):
                model, epoch = point.fit(train, dev)
                tried.append((ccc(dev.target, _guess(model, dev)), point, model, epoch))
                on_models(1)
            best = max(range(len(tried)), key=lambda i: (tried[i][0], -i))
            _, point, model, _ = tried[best]
            before_test(split, point.told)
            if regressor == "ridge":
                known = [*split.train, *split.dev]
                fitted = _fitted(functionals, target, known)
                model, _ = point.fit(fitted(known), fitted(known))
            guesses = fitted.undo(_guess(model, fitted(split.test)))
            parts.append(_predictions(split, target, guesses))
            trials += [
                {"fold": split.fold, **tried_point.told, "best_epoch": epoch, "dev_ccc": dev_ccc}
                | {"selected": number == best}
                for number, (dev_ccc, tried_point, _, epoch) in enumerate(tried)
            ]
    return Found(pd.concat(parts, ignore_index=True), _trial_table(trials))


@dataclass(frozen=True)
class _Scaled:
    """Makes parts of ids, on the scale of a training part."""

    functionals: pd.DataFrame
    target: "pd.Series[float]"
    scaling: Standardiser
    mean: float
    scale: float

    def __call__(self, ids: Sequence[str]) -> _Part:
        values = self.scaling.apply(self.functionals.loc[list(ids)].to_numpy())
        target = self.target.loc[list(ids)].to_numpy(dtype=np.float64)
        return _Part(values, (target - self.mean) / self.scale)

    def undo(self, guesses: np.ndarray) -> np.ndarray:
        return np.asarray(guesses * self.scale + self.mean)


def _fitted(functionals: pd.DataFrame, target: "pd.Series[float]", ids: Sequence[str]) -> _Scaled:
    known = target.loc[list(ids)].to_numpy(dtype=np.float64)
    scaling = Standardiser.fit(functionals.loc[list(ids)].to_numpy())
    return _Scaled(functionals, target, scaling, float(known.mean()), float(known.std()) or 1.0)


def _points(regressor: str, grid: GridSettings, seed: int) -> Iterator[_Point]:
    if regressor == "ridge":
        for penalty in _PENALTIES:
            yield _Point({"penalty": penalty}, _fit_once(Ridge(alpha=penalty)))
        return
    for place in grid_points(grid):
        yield _Point(told_of(place), _fit_epochs(place, grid, seed))


def _fit_once(model: Any) -> Callable[[_Part, _Part], tuple[Any, None]]:
    return lambda train, dev: (copy.deepcopy(model).fit(train.values, train.target), None)


def _fit_epochs(
    place: Point, grid: GridSettings, seed: int
) -> Callable[[_Part, _Part], tuple[Any, int | None]]:
    def fit(train: _Part, dev: _Part) -> tuple[Any, int]:
        model = MLPRegressor(
            hidden_layer_sizes=place.hidden,
            batch_size=min(place.batch_size, len(train.target)),
            learning_rate_init=place.learning_rate,
            alpha=0.0,
            random_state=seed,
        )
        best: tuple[float, int, Any] = (-np.inf, 0, None)
        for epoch in range(1, grid.epochs + 1):
            model.partial_fit(train.values, train.target)
            reached = ccc(dev.target, _guess(model, dev))
            if reached > best[0]:
                best = (reached, epoch, copy.deepcopy(model))
            if grid.early_stopping and epoch - best[1] >= grid.early_stopping:
                break
        return best[2], best[1]

    return fit


def _guess(model: Any, part: _Part) -> np.ndarray:
    return np.asarray(model.predict(part.values), dtype=np.float64)


def _trial_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    columns = ["fold", "batch_size", "learning_rate", "hidden", "penalty", "best_epoch"]
    columns += ["dev_ccc", "selected"]
    whole, real = ("batch_size", "best_epoch"), ("learning_rate", "penalty", "dev_ccc")
    types = dict.fromkeys(whole, "Int64") | dict.fromkeys(real, "float64") | {"selected": bool}
    return pd.DataFrame(list(rows), columns=columns).astype(types)


def _predictions(split: Split, target: "pd.Series[float]", guesses: np.ndarray) -> pd.DataFrame:
    truth = target.loc[list(split.test)].to_numpy(dtype=np.float64)
    columns = {"fold": split.fold, "id": list(split.test), "truth": truth, "prediction": guesses}
    return pd.DataFrame(columns)
