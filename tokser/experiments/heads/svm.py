"""Support vector machines of scikit-learn with a Gaussian kernel, C out of 0.1, 1, 10, 100."""

from typing import Any

import numpy as np
from sklearn.svm import SVC

from tokser.config import GridSettings
from tokser.experiments.heads.per_fold import SweptHead, class_weight
from tokser.experiments.task import Loss

__all__ = ["SVMHead"]


class SVMHead(SweptHead):
    """`svm`: fitted by hinge loss, selected and tested as every classifier is."""

    losses = frozenset[Loss]({"cross-entropy"})
    param, values = "C", (0.1, 1.0, 10.0, 100.0)

    def model(self, value: float, grid: GridSettings) -> SVC:
        """Return a model of one cost."""
        return SVC(C=value, class_weight=class_weight(grid), random_state=0)

    def outputs(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Return a softmax of the decision values: an SVM has no probabilities."""
        decided = np.asarray(model.decision_function(values))
        if decided.ndim == 1:  # two classes
            decided = np.stack([-decided, decided], axis=1) / 2
        raised = np.exp(decided - decided.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))
