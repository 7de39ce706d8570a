"""The multilayer perceptron of scikit-learn: an independent check of tokser's own."""

from functools import partial
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from tokser.config import GridSettings
from tokser.experiments.grid import grid_points
from tokser.experiments.heads.per_fold import Candidate, Part, PerFoldHead, network_candidate
from tokser.experiments.task import Loss, Task

__all__ = ["SklearnMLPHead"]


class SklearnMLPHead(PerFoldHead):
    """`mlp-sklearn`: the grid's points, widths and epochs, the best epoch by dev.

    It has no LayerNorm and no plateau.
    """

    losses = frozenset[Loss]({"cross-entropy", "squared error"})

    def num_points(self, grid: GridSettings) -> int:
        """Count the points of the grid."""
        return len(grid_points(grid))

    def candidates(self, task: Task, grid: GridSettings, seed: int) -> list[Candidate]:
        """Return a classifier or a regressor at each point."""
        if task.loss == "squared error":
            return [network_candidate(MLPRegressor, p, seed=seed) for p in grid_points(grid)]
        options = partial(_options, class_weights=grid.class_weights)
        return [
            network_candidate(MLPClassifier, point, seed=seed, options=options)
            for point in grid_points(grid)
        ]

    def outputs(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Return probabilities, or numbers."""
        if isinstance(model, MLPRegressor):
            return np.asarray(model.predict(values), dtype=np.float64)
        return np.asarray(model.predict_proba(values))


def _options(train: Part, *, class_weights: bool) -> dict[str, Any]:
    weights = {"sample_weight": _weights(train.target)} if class_weights else {}
    return {"classes": sorted(set(train.target))} | weights


def _weights(labels: np.ndarray) -> np.ndarray:
    names, places, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    return np.asarray(len(labels) / (len(names) * counts[places]))
