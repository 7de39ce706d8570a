"""One unit of an experiment: a head fits every fold, and predicts its test part once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tokser.experiments.heads.head import Fitting, Head, Workers
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.results import MIX
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
    predictions, on_dev, trials = [], [], []
    models: dict[str, FittedHead] = {}
    folds = head.fit(data, Fitting(refit, on_models, workers, study, predicts_dev))
    with closing(folds):
        for split, fitted in zip(data.splits, folds, strict=True):
            before_test(split, fitted.params)
            predictions.append(_predictions(fitted.fitted, data, split.fold, split.test))
            models[split.fold] = fitted.fitted
            if predicts_dev and split.dev:
                selected = fitted.before_refit or fitted.fitted
                on_dev.append(_predictions(selected, data, split.fold, split.dev))
            rows = enumerate(fitted.trials)
            trials += [(point, {"fold": split.fold} | row) for point, row in rows]
    if head.lists_points_first:
        trials.sort(key=lambda trial: trial[0])
    table = data.task.tables.grid
    names = [name for name in table.names if any(name in row for _, row in trials)]
    columns = {c.name: c for c in table.columns}
    rows_by_name = pd.DataFrame([row for _, row in trials])
    typed = {name: columns[name].typed(rows_by_name[name]) for name in names}
    typed |= {name: rows_by_name[name] for name in rows_by_name if name.startswith(MIX)}
    together = pd.concat(predictions, ignore_index=True)
    dev = pd.concat([*on_dev, together.iloc[:0]], ignore_index=True) if predicts_dev else None
    return SearchResult(together, pd.DataFrame(typed), models, dev)


def _predictions(
    fitted: FittedHead, data: TrainingData, fold: str, ids: Sequence[str]
) -> pd.DataFrame:
    outputs = fitted.predict(data, ids)
    columns = data.task.prediction_table(data.targets(ids), outputs, data.classes)
    columns.insert(0, "fold", fold)
    columns.insert(1, "id", list(ids))
    return columns
