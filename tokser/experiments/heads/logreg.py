"""Logistic regression of scikit-learn, C = 1."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from tokser.config import GridSettings
from tokser.experiments.heads.logreg_targets import (
    PerClassLogistic,
    TrainedPerClassLogistic,
    fit_per_class,
    fit_shares,
)
from tokser.experiments.heads.per_fold import Candidate, Part, SweptHead, class_weight
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
    ) -> LogisticRegression:
        """Return an estimator with these coefficients."""
        coefficients, intercepts = learnt["coefficients"], learnt["intercepts"]
        if classes is None or coefficients.ndim != 2:
            raise ValueError("no classes, or coefficients that are no matrix")
        rows = len(classes) if len(classes) > 2 else 1
        if len(coefficients) != rows or intercepts.shape != (rows,):
            raise ValueError(f"not {rows} rows of coefficients and intercepts")
        estimator = LogisticRegression()
        estimator.classes_, estimator.n_features_in_ = classes, coefficients.shape[1]
        estimator.coef_, estimator.intercept_ = coefficients, intercepts
        return estimator


_FITTED_BY: dict[Loss, Callable[..., Iterator[Any]]] = {
    "cross-entropy on shares": fit_shares,
    "binary cross-entropy": fit_per_class,
}
"""How targets are fitted that are no single label, by the loss of their task."""


def _on_part(
    fit: Callable[..., Iterator[Any]],
    model: LogisticRegression,
    train: Part,
    *,
    is_balanced: bool,
) -> Iterator[Any]:
    return fit(clone(model), is_balanced=is_balanced, train=train)


class LogisticHead(SweptHead):
    """`logreg`: an independent check of the linear probe."""

    losses = frozenset[Loss]({"cross-entropy", "cross-entropy on shares", "binary cross-entropy"})
    trained_as = TrainedLogistic
    param, values = "C", (1.0,)

    def candidates(self, task: Task, grid: GridSettings, seed: int) -> list[Candidate]:
        """Return the one model, fitted as the task's targets ask for."""
        fit = _FITTED_BY.get(task.loss)
        if fit is None:
            return super().candidates(task, grid, seed)
        model = LogisticRegression(C=self.values[0], max_iter=5_000)
        fitting = partial(_on_part, fit, model, is_balanced=grid.class_weights)
        return [Candidate({self.param: self.values[0]}, fitting)]

    def kept_as(self, model: Any) -> type[TrainedCoefficients]:
        """Return what a model is kept as."""
        is_per_class = isinstance(model, PerClassLogistic)
        return TrainedPerClassLogistic if is_per_class else TrainedLogistic

    def model(self, value: float, grid: GridSettings) -> LogisticRegression:
        """Return the one model."""
        return LogisticRegression(C=value, max_iter=5_000, class_weight=class_weight(grid))
