"""One unit of an experiment: a head fits every fold, and predicts its test part once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tokser.experiments.heads.head import FittedFold, Fitting, Head, Workers
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.results import MIX
from tokser.experiments.splits.protocols import Split
from tokser.experiments.training_data import TrainingData

__all__ = ["SearchResult", "search", "search_seeds"]


@dataclass(frozen=True)
class SearchResult:
    """What a search leaves.

    Attributes:
        predictions: Columns fold, id, and those of the task.
        trials: A row of each point and fold: fold, the point's own parameters, best_epoch;
            dev_<metric>, and dev_<metric>_crossfit (see `crossfit`) of the selected one; selected;
            and num_constant, how many columns the training part leaves constant.
        models: What predicted each fold's test part, by fold; none where it was read from files.
        dev: Predictions of each fold's dev part, by the head as dev selected it, before it was
            trained again; None where they were not asked for.
    """

    predictions: pd.DataFrame
    trials: pd.DataFrame
    models: Mapping[str, FittedHead] = field(default_factory=dict)
    dev: pd.DataFrame | None = None

    def on_dev(self, column: str) -> dict[str, float]:
        """Return a dev score of what was selected, by fold.

        Args:
            column: Of the trials, `dev_uar_crossfit` for instance.
        """
        selected = self.trials[self.trials["selected"]]
        return dict(zip(selected["fold"].astype(str), selected[column].astype(float), strict=True))


def search(
    head: Head,
    data: TrainingData,
    *,
    refit: bool = True,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[Split, dict[str, Any]], None] = lambda split, params: None,
    workers: Workers | None = None,
    study: str = "",
    predicts_dev: bool = False,
) -> SearchResult:
    """Let each fold select by its own dev part, and predict its test part.

    Args:
        head: What is trained.
        data: What it is trained on.
        refit: Whether what a fold selected is trained again, on train and dev together: a network
            for as many epochs as it had at its best.
        on_models: Called with the number of models trained since the last call.
        before_test: Called with the split and the selected parameters before its test part is
            touched.
        workers: Processes that networks are trained by; none: this one.
        study: Name under which the head keeps trials, where it draws them.
        predicts_dev: Whether the dev parts are predicted, too.
    """
    gathered = _Gathered(head, data, predicts_dev=predicts_dev)
    how = Fitting(refit, on_models, workers, study, predicts_dev)
    with closing(head.fit(data, how)) as folds:
        for split, fitted in zip(data.splits, folds, strict=True):
            before_test(split, fitted.params)
            gathered.add(split, fitted)
    return gathered.result()


def search_seeds(
    head: Head,
    data: TrainingData,
    seeds: Sequence[int],
    *,
    refit: bool = True,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[int, Split, dict[str, Any]], None] = lambda seed, split, params: None,
    workers: Workers | None = None,
    predicts_dev: bool = False,
) -> list[SearchResult]:
    """Do what `search` does for several seeds, which train together; return what each leaves.

    Args:
        head: What is trained; it shares seeds.
        data: What it is trained on; its own seed does not matter.
        seeds: The seeds.
        refit: As in `search`.
        on_models: As in `search`.
        before_test: Called with the seed, too.
        workers: As in `search`.
        predicts_dev: As in `search`.
    """
    gathered = [_Gathered(head, data, predicts_dev=predicts_dev) for _ in seeds]
    how = Fitting(refit, on_models, workers, keeps_selected=predicts_dev)
    with closing(head.fit_seeds(data, seeds, how)) as folds:
        for split, of_seeds in zip(data.splits, folds, strict=True):
            for seed, own, fitted in zip(seeds, gathered, of_seeds, strict=True):
                before_test(seed, split, fitted.params)
                own.add(split, fitted)
    return [own.result() for own in gathered]


class _Gathered:
    """What folds leave, one after the other."""

    def __init__(self, head: Head, data: TrainingData, *, predicts_dev: bool) -> None:
        self._head, self._data, self._predicts_dev = head, data, predicts_dev
        self._predictions: list[pd.DataFrame] = []
        self._on_dev: list[pd.DataFrame] = []
        self._trials: list[tuple[int, dict[str, Any]]] = []
        self._models: dict[str, FittedHead] = {}

    def add(self, split: Split, fitted: FittedFold) -> None:
        """Predict a fold's test part, and keep what came of it."""
        data = self._data
        self._predictions.append(_predictions(fitted.fitted, data, split.fold, split.test))
        self._models[split.fold] = fitted.fitted
        if self._predicts_dev and split.dev:
            selected = fitted.before_refit or fitted.fitted
            self._on_dev.append(_predictions(selected, data, split.fold, split.dev))
        rows = enumerate(fitted.trials)
        self._trials += [(point, {"fold": split.fold} | row) for point, row in rows]

    def result(self) -> SearchResult:
        """Return predictions, trials and models of all folds."""
        trials = list(self._trials)
        if self._head.lists_points_first:
            trials.sort(key=lambda trial: trial[0])
        table = self._data.task.tables.grid
        names = [name for name in table.names if any(name in row for _, row in trials)]
        columns = {c.name: c for c in table.columns}
        rows_by_name = pd.DataFrame([row for _, row in trials])
        typed = {name: columns[name].typed(rows_by_name[name]) for name in names}
        typed |= {name: rows_by_name[name] for name in rows_by_name if name.startswith(MIX)}
        together, dev = pd.concat(self._predictions, ignore_index=True), None
        if self._predicts_dev:
            dev = pd.concat([*self._on_dev, together.iloc[:0]], ignore_index=True)
        return SearchResult(together, pd.DataFrame(typed), self._models, dev)


def _predictions(
    fitted: FittedHead, data: TrainingData, fold: str, ids: Sequence[str]
) -> pd.DataFrame:
    outputs = fitted.predict(data, ids)
    columns = data.task.prediction_table(data.targets(ids), outputs, data.classes)
    columns.insert(0, "fold", fold)
    columns.insert(1, "id", list(ids))
    return columns
