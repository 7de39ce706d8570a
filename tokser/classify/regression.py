"""Emotion as numbers: valence, arousal and dominance by ridge regression or an MLP."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from tokser.classify.fitting import Candidate, Part, fit_epochs, fit_once
from tokser.classify.grid import grid_points
from tokser.classify.metrics import ccc
from tokser.classify.protocols import Split
from tokser.classify.search import Found
from tokser.config import GridSettings
from tokser.functionals.standardise import Standardiser

__all__ = ["REGRESSORS", "num_regressions", "search_regressor"]

REGRESSORS = ("ridge", "mlp-sklearn")
_PENALTIES = tuple(float(10**power) for power in range(6))


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
                tried.append((_dev_ccc(model, dev), point, model, epoch))
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

    def __call__(self, ids: Sequence[str]) -> Part:
        values = self.scaling.apply(self.functionals.loc[list(ids)].to_numpy())
        target = self.target.loc[list(ids)].to_numpy(dtype=np.float64)
        return Part(values, (target - self.mean) / self.scale)

    def undo(self, guesses: np.ndarray) -> np.ndarray:
        return np.asarray(guesses * self.scale + self.mean)


def _fitted(functionals: pd.DataFrame, target: "pd.Series[float]", ids: Sequence[str]) -> _Scaled:
    known = target.loc[list(ids)].to_numpy(dtype=np.float64)
    scaling = Standardiser.fit(functionals.loc[list(ids)].to_numpy())
    return _Scaled(functionals, target, scaling, float(known.mean()), float(known.std()) or 1.0)


def _points(regressor: str, grid: GridSettings, seed: int) -> Iterator[Candidate]:
    if regressor == "ridge":
        for penalty in _PENALTIES:
            yield Candidate({"penalty": penalty}, fit_once(Ridge(alpha=penalty)))
        return
    for place in grid_points(grid):
        fit = fit_epochs(MLPRegressor, place, grid, seed=seed, quality=_dev_ccc)
        yield Candidate(place.told, fit)


def _dev_ccc(model: Any, dev: Part) -> float:
    return ccc(dev.target, _guess(model, dev))


def _guess(model: Any, part: Part) -> np.ndarray:
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
