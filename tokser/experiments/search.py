"""One unit of an experiment: a head fits every fold, and predicts its test part once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tokser.experiments.heads.head import FittedFold, Fitting, FoldProcesses, Head, Workers
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.results import MIX
from tokser.experiments.splits.protocols import Split
from tokser.experiments.training_data import TrainingData

__all__ = ["SearchResult", "Selected", "search", "search_seeds"]

Selected = Sequence[tuple[Split, dict[str, Any]]]
"""The folds, and the parameters that each selected."""
_Fold = tuple[Split, FittedFold]


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
    before_test: Callable[[Selected], None] = lambda selected: None,
    workers: Workers | None = None,
    study: str = "",
    predicts_dev: bool = False,
    processes: FoldProcesses | None = None,
) -> SearchResult:
    """Let each fold select by its own dev part, and predict its test part.

    Args:
        head: What is trained.
        data: What it is trained on.
        refit: Whether what a fold selected is trained again, on train and dev together: a network
            for as many epochs as it had at its best.
        on_models: Called with the number of models trained since the last call.
        before_test: Called with what all folds selected, before a test part is touched.
        workers: Processes that networks are trained by; none: this one.
        study: Name under which the head keeps trials, where it draws them.
        predicts_dev: Whether the dev parts are predicted, too.
        processes: What fits folds beside this process, where the head lets it.
    """
    how = Fitting(refit, on_models, workers, study, predicts_dev, processes)
    with closing(head.fit(data, how)) as folds:
        fitted = list(zip(data.splits, folds, strict=True))
    before_test([(split, own.params) for split, own in fitted])
    return _result(head, data, fitted, predicts_dev=predicts_dev)


def search_seeds(
    head: Head,
    data: TrainingData,
    seeds: Sequence[int],
    *,
    refit: bool = True,
    on_models: Callable[[int], None] = lambda count: None,
    before_test: Callable[[int, Selected], None] = lambda seed, selected: None,
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
    how = Fitting(refit, on_models, workers, keeps_selected=predicts_dev)
    with closing(head.fit_seeds(data, seeds, how)) as folds:
        by_fold = list(folds)
    of_seeds = [list(zip(data.splits, own, strict=True)) for own in zip(*by_fold, strict=True)]
    for seed, fitted in zip(seeds, of_seeds, strict=True):
        before_test(seed, [(split, own.params) for split, own in fitted])
    return [_result(head, data, fitted, predicts_dev=predicts_dev) for fitted in of_seeds]


def _result(
    head: Head, data: TrainingData, fitted: Sequence[_Fold], *, predicts_dev: bool
) -> SearchResult:
    """Predict the test part of each fold, and return what all leave."""
    trials = [
        (point, {"fold": split.fold} | row)
        for split, own in fitted
        for point, row in enumerate(own.trials)
    ]
    if head.lists_points_first:
        trials.sort(key=lambda trial: trial[0])
    table = data.task.tables.grid
    names = [name for name in table.names if any(name in row for _, row in trials)]
    columns = {c.name: c for c in table.columns}
    rows_by_name = pd.DataFrame([row for _, row in trials])
    typed = {name: columns[name].typed(rows_by_name[name]) for name in names}
    typed |= {name: rows_by_name[name] for name in rows_by_name if name.startswith(MIX)}
    tested = [(split, own.fitted, split.test) for split, own in fitted]
    predictions, dev = _predictions(data, tested), None
    if predicts_dev:
        on_dev = [(s, own.before_refit or own.fitted, s.dev) for s, own in fitted if s.dev]
        dev = _predictions(data, on_dev) if on_dev else predictions.iloc[:0]
    models = {split.fold: own.fitted for split, own in fitted}
    return SearchResult(predictions, pd.DataFrame(typed), models, dev)


def _predictions(
    data: TrainingData, parts: Sequence[tuple[Split, FittedHead, Sequence[str]]]
) -> pd.DataFrame:
    """Predict a part of each fold by the fold's own head."""
    ids = [name for _, _, own in parts for name in own]
    outputs = [fitted.predict(data, own) for _, fitted, own in parts]
    together = np.concatenate(outputs)
    columns = data.task.prediction_table(data.targets(ids), together, data.classes)
    columns.insert(0, "fold", np.repeat([s.fold for s, _, _ in parts], [len(o) for o in outputs]))
    columns.insert(1, "id", ids)
    return columns
