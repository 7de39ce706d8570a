"""Logistic regression of scikit-learn, C = 1."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from tokser.config import GridSettings
from tokser.experiments.heads.per_fold import SweptHead, class_weight
from tokser.experiments.heads.trained_estimator import TrainedEstimator
from tokser.experiments.task import Loss

__all__ = ["LogisticHead", "TrainedLogistic"]


class TrainedLogistic(TrainedEstimator):
    """Coefficients [classes, features] and intercepts; one row where there are two classes."""

    kind = "logreg"

    @staticmethod
    def raw_outputs(estimator: Any, values: np.ndarray) -> np.ndarray:
        """Return probabilities."""
        return np.asarray(estimator.predict_proba(values))

    @staticmethod
    def learnt(estimator: Any) -> dict[str, np.ndarray]:
        """Return coefficients and intercepts."""
        return {"coefficients": estimator.coef_, "intercepts": estimator.intercept_}

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


class LogisticHead(SweptHead):
    """`logreg`: an independent check of the linear probe."""

    losses = frozenset[Loss]({"cross-entropy"})
    trained_as = TrainedLogistic
    param, values = "C", (1.0,)

    def model(self, value: float, grid: GridSettings) -> LogisticRegression:
        """Return the one model."""
        return LogisticRegression(C=value, max_iter=5_000, class_weight=class_weight(grid))
