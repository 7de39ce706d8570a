"""Emotion as numbers: valence, arousal and dominance by ridge regression or an MLP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from tokser.config import GridSettings
from tokser.experiments.grid import grid_points
from tokser.experiments.heads.fitting import (
    Candidate,
    DevPart,
    Part,
    epochs_of,
    refit_selected,
    select,
)
from tokser.experiments.search import Found
from tokser.experiments.splits.protocols import Split
from tokser.experiments.statistics.crossfit import halves_of
from tokser.experiments.statistics.metrics import ccc_from_sums
from tokser.functionals.standardise import Standardiser, fit_by_id

__all__ = ["REGRESSORS", "num_regressions", "search_regressor"]

REGRESSORS = ("ridge", "mlp-sklearn")
_PENALTIES = tuple(float(10**power) for power in range(6))


def num_regressions(
    regressor: str, splits: Sequence[Split], grid: GridSettings, *, refit: bool = True
) -> int:
    """Count the models that a search fits."""
    return len(splits) * (len(_points(regressor, grid, seed=0)) + refit)


def search_regressor(
    regressor: str,
    functionals: pd.DataFrame,
    target: "pd.Series[float]",
    splits: Sequence[Split],
    grid: GridSettings,
    *,
    seed: int,
    rounding: pd.DataFrame | None = None,
    refit: bool = True,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[Split, dict[str, Any]], None] = lambda split, chosen: None,
) -> Found:
    """Fit a regressor on each fold, which selects by the CCC on its own dev part.

    `ridge`: penalties 1, 10 ... 100,000. `mlp-sklearn`: `MLPRegressor` with the grid's points,
    widths and epochs, best epoch by dev CCC.

    Args:
        regressor: One of `REGRESSORS`.
        functionals: [utterances, features], index = id.
        target: What is predicted, index = id.
        splits: The folds.
        grid: Points and training of `mlp-sklearn`.
        seed: Of weights and order.
        rounding: How far rounding may have moved functionals, see `Standardiser.fit`.
        refit: Whether what was selected is fitted again, on train and dev together.
        on_models: Called with the number of models fitted since the last call.
        before_test: Called with the split and the selected point before its test is looked at.

    Returns:
        Predictions with the columns fold, id, truth, prediction, and trials with `dev_ccc`.
    """
    parts, trials = [], []
    with threadpool_limits(limits=1):
        for split in splits:
            fitted = _fitted(functionals, target, split.train, rounding)
            selection = select(
                _points(regressor, grid, seed),
                fitted(split.train),
                _dev_part(fitted(split.dev), split.dev),
                epochs=grid.epochs,
                early_stopping=grid.early_stopping,
                on_models=on_models,
            )
            constant = {"num_constant": int(fitted.scaling.is_constant.sum())}
            trials += [{"fold": split.fold} | row | constant for row in selection.trials]
            model = selection.model
            if refit:
                known = [*split.train, *split.dev]
                fitted = _fitted(functionals, target, known, rounding)
                model = refit_selected(selection, fitted(known), on_models)
            before_test(split, selection.point.told)
            guesses = fitted.undo(_guess(model, fitted(split.test)))
            parts.append(_predictions(split, target, guesses))
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


def _fitted(
    functionals: pd.DataFrame,
    target: "pd.Series[float]",
    ids: Sequence[str],
    rounding: pd.DataFrame | None,
) -> _Scaled:
    known = target.loc[list(ids)].to_numpy(dtype=np.float64)
    scaling = fit_by_id(functionals, rounding, ids)
    return _Scaled(functionals, target, scaling, float(known.mean()), float(known.std()) or 1.0)


def _dev_part(dev: Part, ids: Sequence[str]) -> DevPart:
    half = halves_of(ids, dev.target.tolist())

    def sums(model: Any) -> np.ndarray:
        guesses = _guess(model, dev)
        return np.stack([_ccc_sums(dev.target[half == h], guesses[half == h]) for h in (0, 1)])

    return DevPart(sums, ccc_from_sums, "dev_ccc")


def _points(regressor: str, grid: GridSettings, seed: int) -> list[Candidate]:
    if regressor == "ridge":
        return [Candidate.of({"penalty": p}, Ridge(alpha=p)) for p in _PENALTIES]
    return [epochs_of(MLPRegressor, place, seed=seed) for place in grid_points(grid)]


def _ccc_sums(truth: np.ndarray, guess: np.ndarray) -> np.ndarray:
    sums = [np.ones(len(truth)), truth, guess, truth * truth, guess * guess, truth * guess]
    return np.asarray(np.sum(sums, axis=1, dtype=np.float64))


def _guess(model: Any, part: Part) -> np.ndarray:
    return np.asarray(model.predict(part.values), dtype=np.float64)


def _trial_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    columns = ["fold", "batch_size", "learning_rate", "hidden", "penalty", "best_epoch"]
    columns += ["dev_ccc", "dev_ccc_crossfit", "selected", "num_constant"]
    whole = ("batch_size", "best_epoch", "num_constant")
    real = ("learning_rate", "penalty", "dev_ccc", "dev_ccc_crossfit")
    types = dict.fromkeys(whole, "Int64") | dict.fromkeys(real, "float64") | {"selected": bool}
    return pd.DataFrame(list(rows), columns=columns).astype(types)


def _predictions(split: Split, target: "pd.Series[float]", guesses: np.ndarray) -> pd.DataFrame:
    truth = target.loc[list(split.test)].to_numpy(dtype=np.float64)
    columns = {"fold": split.fold, "id": list(split.test), "truth": truth, "prediction": guesses}
    return pd.DataFrame(columns)
