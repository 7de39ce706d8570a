"""Logistic regression of scikit-learn, C = 1."""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from tokser.config import GridSettings
from tokser.experiments.heads.per_fold import SweptHead, class_weight
from tokser.experiments.task import Loss

__all__ = ["LogisticHead"]


class LogisticHead(SweptHead):
    """`logreg`: an independent check of the linear probe."""

    losses = frozenset[Loss]({"cross-entropy"})
    param, values = "C", (1.0,)

    def model(self, value: float, grid: GridSettings) -> LogisticRegression:
        """Return the one model."""
        return LogisticRegression(C=value, max_iter=5_000, class_weight=class_weight(grid))

    def outputs(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Return probabilities."""
        return np.asarray(model.predict_proba(values))
