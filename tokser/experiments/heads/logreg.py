"""Logistic regression of scikit-learn, C = 1."""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from tokser.config import GridSettings
from tokser.experiments.heads.per_fold import Candidate, PerFoldHead
from tokser.experiments.task import Loss, Task

__all__ = ["LogisticHead"]

_COSTS = (1.0,)


class LogisticHead(PerFoldHead):
    """`logreg`: an independent check of the linear probe."""

    losses = frozenset[Loss]({"cross-entropy"})
    is_random = False

    def num_points(self, grid: GridSettings) -> int:
        """Count the models."""
        return len(_COSTS)

    def candidates(self, task: Task, grid: GridSettings, seed: int) -> list[Candidate]:
        """Return the one model."""
        weights = "balanced" if grid.class_weights else None
        return [
            Candidate.of(
                {"C": cost}, LogisticRegression(C=cost, max_iter=5_000, class_weight=weights)
            )
            for cost in _COSTS
        ]

    def outputs(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Return probabilities."""
        return np.asarray(model.predict_proba(values))
