"""A head whose points are drawn, one after the other, and not written out: `--search optuna`."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tokser.config import GridSettings
from tokser.errors import SettingsError
from tokser.experiments.fold_study import FoldStudy, plain_record
from tokser.experiments.heads.head import Choice, FittedFold, Fitting, Head
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.search_space import Values
from tokser.experiments.statistics.crossfit import HalfScores, crossfit_score
from tokser.experiments.training_data import TrainingData

__all__ = ["SearchedHead"]

_HALVES = ("reached", "others")


class SearchedHead(Head):
    """Lets each fold draw its own points, by what its own dev part said of those before.

    The first point that is best on dev is selected, then trained as in any other search.

    Args:
        head: What is trained at each point.
        num_trials: Points of each fold.
        journal: File that keeps the trials.
    """

    def __init__(self, head: Head, num_trials: int, journal: Path) -> None:
        self._head, self._num_trials, self._journal = head, num_trials, journal
        self.losses = head.losses  # type: ignore[misc]  # that of the head, not of a class
        self.is_network = head.is_network  # type: ignore[misc]
        self.mixes = head.mixes  # type: ignore[misc]
        self.has_probabilities = head.has_probabilities  # type: ignore[misc]

    @property
    def reads(self) -> Literal["functionals", "means", "frames"]:
        """What the head is trained on."""
        return self._head.reads

    def require_settings(self, grid: GridSettings) -> None:
        """Raise `SettingsError` if there is nothing to choose among."""
        space = self._head.space(grid)
        if space:
            some = {n: o.values[0] if isinstance(o, Values) else o.low for n, o in space.items()}
            head, grid = self._head.at(some, grid)
            head.require_settings(grid)
        else:
            raise SettingsError(
                "--search optuna",
                expected="a grid or a head grid with something to choose among",
                got="one point",
                remedy="Name a range: --grid batch_size=8,32,128,lr=1e-4,1e-1, or for a class "
                "--head-grid 'C={low: 0.001, high: 100, log: true}'.",
            )

    def num_points(self, grid: GridSettings) -> int:
        """Count the trials, and the selected point, which is trained once more."""
        return self._num_trials + 1

    def fit(self, data: TrainingData, how: Fitting) -> Generator[FittedFold, None, None]:
        """Search one fold after the other; trials that were finished before are not repeated."""
        space = self._head.space(data.grid) or {}
        for number, split in enumerate(data.splits):
            own = replace(data, splits=[split], first_fold=data.first_fold + number)
            study = FoldStudy(self._journal, f"{how.study}-{split.fold}", space, data.seed)
            study.run(
                self._num_trials,
                partial(self._train, own, replace(how, refit=False, keeps_selected=False)),
            )
            records = study.records[: self._num_trials]
            metric = f"dev_{data.task.tables.metric}"
            scores = [record[metric] for record in records]
            best = int(np.argmax(scores))
            found = self._one(own, study.points[best], how)
            halves = [_read_halves(record) for record in records]
            crossfit = crossfit_score(halves, data.task.score)
            trials = [
                {k: v for k, v in record.items() if k not in _HALVES}
                | {"selected": place == best}
                | {f"{metric}_crossfit": crossfit if place == best else np.nan}
                for place, record in enumerate(records)
            ]
            yield found._replace(trials=trials)

    def fit_all(self, data: TrainingData, choice: Choice) -> FittedHead:
        """Refuse: folds drew points of their own, so none was tried by all."""
        raise SettingsError(
            "--search optuna",
            expected="a grid, of which every fold tries the same points",
            got="points that each fold drew",
            remedy="Fit with the grid around what was selected.",
        )

    def _train(
        self, data: TrainingData, how: Fitting, point: dict[str, Any]
    ) -> tuple[float, dict[str, Any]]:
        """Return a point's score on dev, and what is recorded of it."""
        fold = self._one(data, point, how)
        (row,), (halves,) = fold.trials, fold.halves
        record = plain_record(row) | {
            "reached": halves.reached.tolist(),
            "others": halves.others.tolist(),
        }
        metric = f"dev_{data.task.tables.metric}"
        del record[f"{metric}_crossfit"]
        return float(row[metric]), record

    def _one(self, data: TrainingData, point: dict[str, Any], how: Fitting) -> FittedFold:
        head, grid = self._head.at(point, data.grid)
        with closing(head.fit(replace(data, grid=grid), how)) as folds:
            return next(folds)


def _read_halves(record: dict[str, Any]) -> HalfScores:
    return HalfScores(np.array(record["reached"], dtype=float), np.array(record["others"]))
