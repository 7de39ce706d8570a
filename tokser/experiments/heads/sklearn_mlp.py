"""The multilayer perceptron of scikit-learn: an independent check of tokser's own."""

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from tokser.config import GridSettings
from tokser.experiments.grid import grid_at, grid_points
from tokser.experiments.heads.head import Head
from tokser.experiments.heads.per_fold import Candidate, Part, PerFoldHead, network_candidate
from tokser.experiments.heads.trained_estimator import TrainedEstimator
from tokser.experiments.search_space import Space, space_of_grid
from tokser.experiments.task import Loss, Task

__all__ = ["SklearnMLPHead", "TrainedSklearnMLP"]


class TrainedSklearnMLP(TrainedEstimator):
    """Weights [wide, narrow] and biases [narrow] of each layer; ReLU between."""

    kind = "mlp-sklearn"

    @staticmethod
    def raw_outputs(estimator: Any, values: np.ndarray) -> np.ndarray:
        """Return probabilities, or numbers."""
        if isinstance(estimator, MLPRegressor):
            return np.asarray(estimator.predict(values), dtype=np.float64)
        return np.asarray(estimator.predict_proba(values))

    @staticmethod
    def learnt(estimator: Any) -> dict[str, np.ndarray]:
        """Return weights and biases."""
        weights, biases = enumerate(estimator.coefs_), enumerate(estimator.intercepts_)
        return {f"weights-{i}": w for i, w in weights} | {f"biases-{i}": b for i, b in biases}

    @staticmethod
    def rebuilt(
        learnt: Mapping[str, np.ndarray],
        classes: np.ndarray | None,
        trusted: Sequence[str] = (),
    ) -> Any:
        """Return a network with these weights."""
        depth = len(learnt) // 2
        weights = [learnt[f"weights-{i}"] for i in range(depth)]
        biases = [learnt[f"biases-{i}"] for i in range(depth)]
        widths = [len(weights[0]), *(len(bias) for bias in biases)]
        shapes = list(itertools.pairwise(widths))
        if [w.shape for w in weights] != shapes or any(b.ndim != 1 for b in biases):
            raise ValueError("weights and biases of shapes that do not fit each other")
        num_outputs = 1 if classes is None or len(classes) == 2 else len(classes)
        if widths[-1] != num_outputs:
            raise ValueError(f"{widths[-1]} outputs where {num_outputs} are needed")
        estimator = MLPRegressor() if classes is None else MLPClassifier()
        estimator.out_activation_ = "identity"
        if classes is not None:
            estimator.classes_ = classes
            estimator.out_activation_ = "logistic" if num_outputs == 1 else "softmax"
        estimator.coefs_, estimator.intercepts_ = weights, biases
        estimator.n_layers_, estimator.n_outputs_ = depth + 1, num_outputs
        estimator.n_features_in_ = widths[0]
        return estimator


class SklearnMLPHead(PerFoldHead):
    """`mlp-sklearn`: the grid's points, widths and epochs, the best epoch by dev.

    It has no LayerNorm and no plateau.
    """

    losses = frozenset[Loss]({"cross-entropy", "squared error"})
    trained_as = TrainedSklearnMLP

    def space(self, grid: GridSettings) -> Space:
        """Return what the grid spans."""
        return space_of_grid(grid, with_hidden=True)

    def at(self, point: Mapping[str, Any], grid: GridSettings) -> tuple[Head, GridSettings]:
        """Return a grid of one point."""
        return self, grid_at(grid, point)

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


def _options(train: Part, *, class_weights: bool) -> dict[str, Any]:
    weights = {"sample_weight": _weights(train.target)} if class_weights else {}
    return {"classes": sorted(set(train.target))} | weights


def _weights(labels: np.ndarray) -> np.ndarray:
    names, places, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    return np.asarray(len(labels) / (len(names) * counts[places]))
