"""Support vector machines of scikit-learn with a Gaussian kernel, C out of 0.1, 1, 10, 100."""

from typing import Any

import numpy as np
from sklearn.svm import SVC

from tokser.config import GridSettings
from tokser.experiments.heads.per_fold import Candidate, PerFoldHead
from tokser.experiments.task import Loss, Task

__all__ = ["SVMHead"]

_COSTS = (0.1, 1.0, 10.0, 100.0)


class SVMHead(PerFoldHead):
    """`svm`: fitted by hinge loss, selected and tested as every classifier is."""

    losses = frozenset[Loss]({"cross-entropy"})
    is_random = False

    def num_points(self, grid: GridSettings) -> int:
        """Count the models."""
        return len(_COSTS)

    def candidates(self, task: Task, grid: GridSettings, seed: int) -> list[Candidate]:
        """Return a model of each cost."""
        weights = "balanced" if grid.class_weights else None
        return [
            Candidate.of({"C": cost}, SVC(C=cost, class_weight=weights, random_state=0))
            for cost in _COSTS
        ]

    def outputs(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Return a softmax of the decision values: an SVM has no probabilities."""
        decided = np.asarray(model.decision_function(values))
        if decided.ndim == 1:  # two classes
            decided = np.stack([-decided, decided], axis=1) / 2
        raised = np.exp(decided - decided.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))
