"""Logistic regression to its minimum, C = 1."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tokser.config import GridSettings
from tokser.experiments.heads.logistic_estimator import LogisticEstimator
from tokser.experiments.heads.logistic_fit import fit_labels
from tokser.experiments.heads.logreg_targets import (
    PerClassLogistic,
    TrainedPerClassLogistic,
    fit_per_class,
    fit_shares,
)
from tokser.experiments.heads.per_fold import Candidate, Part, PerFoldHead
from tokser.experiments.heads.trained_coefficients import TrainedCoefficients
from tokser.experiments.task import Loss, Task

__all__ = ["LogisticHead", "TrainedLogistic"]


class TrainedLogistic(TrainedCoefficients):
    """Coefficients [classes, features] and intercepts; one row where there are two classes."""

    kind = "logreg"

    @staticmethod
    def rebuilt(
        learnt: Mapping[str, np.ndarray],
        classes: np.ndarray | None,
        trusted: Sequence[str] = (),
    ) -> LogisticEstimator:
        """Return an estimator with these coefficients."""
        coefficients, intercepts = learnt["coefficients"], learnt["intercepts"]
        if classes is None or coefficients.ndim != 2:
            raise ValueError("no classes, or coefficients that are no matrix")
        rows = len(classes) if len(classes) > 2 else 1
        if len(coefficients) != rows or intercepts.shape != (rows,):
            raise ValueError(f"not {rows} rows of coefficients and intercepts")
        return LogisticEstimator(classes, coefficients, intercepts)


_Fit = Callable[..., Iterator[Any]]


def fit_single(train: Part, *, penalty: float, is_balanced: bool) -> Iterator[Any]:
    """Fit one label of each utterance."""
    yield fit_labels(train.values, train.target, penalty=penalty, is_balanced=is_balanced)


_FITTED_BY: dict[Loss, _Fit] = {
    "cross-entropy": fit_single,
    "cross-entropy on shares": fit_shares,
    "binary cross-entropy": fit_per_class,
}
"""How targets are fitted, by the loss of their task."""


class LogisticHead(PerFoldHead):
    """`logreg`: an independent check of the linear probe."""

    losses = frozenset[Loss](_FITTED_BY)
    trained_as = TrainedLogistic
    is_random = False
    fits_side_by_side = True
    penalty = 1.0

    def num_points(self, grid: GridSettings) -> int:
        """Count the one model."""
        return 1

    def candidates(self, task: Task, grid: GridSettings, seed: int) -> list[Candidate]:
        """Return the one model, fitted as the task's targets ask for."""
        fit = _FITTED_BY[task.loss]
        fitting = partial(fit, penalty=self.penalty, is_balanced=grid.class_weights)
        return [Candidate({"C": self.penalty}, fitting)]

    def kept_as(self, model: Any) -> type[TrainedCoefficients]:
        """Return what a model is kept as."""
        is_per_class = isinstance(model, PerClassLogistic)
        return TrainedPerClassLogistic if is_per_class else TrainedLogistic
