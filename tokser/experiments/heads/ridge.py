"""Ridge regression of scikit-learn, penalties 1, 10 ... 100,000."""

from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from tokser.config import GridSettings
from tokser.experiments.heads.per_fold import Candidate, PerFoldHead
from tokser.experiments.task import Loss, Task

__all__ = ["RidgeHead"]

_PENALTIES = tuple(float(10**power) for power in range(6))


class RidgeHead(PerFoldHead):
    """`ridge`: a linear map to numbers."""

    losses = frozenset[Loss]({"squared error"})
    is_random = False

    def num_points(self, grid: GridSettings) -> int:
        """Count the models."""
        return len(_PENALTIES)

    def candidates(self, task: Task, grid: GridSettings, seed: int) -> list[Candidate]:
        """Return a model of each penalty."""
        return [Candidate.of({"penalty": one}, Ridge(alpha=one)) for one in _PENALTIES]

    def outputs(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Return estimates, [utterances]."""
        return np.asarray(model.predict(values), dtype=np.float64)
