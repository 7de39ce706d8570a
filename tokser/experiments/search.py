"""One unit of an experiment: a head fits every fold, and predicts its test part once."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tokser.experiments.heads.head import Fitting, Head, Workers
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.splits.protocols import Split
from tokser.experiments.training_data import TrainingData

__all__ = ["SearchResult", "search"]


@dataclass(frozen=True)
class SearchResult:
    """What a search leaves.

    Attributes:
        predictions: Columns fold, id, and those of the task.
        trials: A row of each point and fold: fold, the point's own parameters, best_epoch;
            dev_<metric>, and dev_<metric>_crossfit (see `crossfit`) of the selected one; selected;
            and num_constant, how many columns the training part leaves constant.
        models: What predicted each fold's test part, by fold; none where it was read from files.
    """

    predictions: pd.DataFrame
    trials: pd.DataFrame
    models: Mapping[str, FittedHead] = field(default_factory=dict)

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
    """
    predictions, trials = [], []
    models: dict[str, FittedHead] = {}
    folds = head.fit(data, Fitting(refit, on_models, workers, study))
    with closing(folds):
        for split, fitted in zip(data.splits, folds, strict=True):
            before_test(split, fitted.params)
            outputs = fitted.fitted.outputs(data.rows(split.test))
            models[split.fold] = fitted.fitted
            columns = data.task.prediction_table(data.targets(split.test), outputs, data.classes)
            columns.insert(0, "fold", split.fold)
            columns.insert(1, "id", list(split.test))
            predictions.append(columns)
            rows = enumerate(fitted.trials)
            trials += [(point, {"fold": split.fold} | row) for point, row in rows]
    if head.lists_points_first:
        trials.sort(key=lambda trial: trial[0])
    table = data.task.tables.grid
    names = [name for name in table.names if any(name in row for _, row in trials)]
    columns = {c.name: c for c in table.columns}
    rows_by_name = pd.DataFrame([row for _, row in trials], columns=names)
    typed = {name: columns[name].typed(rows_by_name[name]) for name in names}
    return SearchResult(pd.concat(predictions, ignore_index=True), pd.DataFrame(typed), models)
