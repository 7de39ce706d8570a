"""Ridge regression of scikit-learn, penalties 1, 10 ... 100,000."""

from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from tokser.config import GridSettings
from tokser.experiments.heads.per_fold import SweptHead
from tokser.experiments.task import Loss

__all__ = ["RidgeHead"]


class RidgeHead(SweptHead):
    """`ridge`: a linear map to numbers."""

    losses = frozenset[Loss]({"squared error"})
    param, values = "penalty", tuple(float(10**power) for power in range(6))

    def model(self, value: float, grid: GridSettings) -> Ridge:
        """Return a model of one penalty."""
        return Ridge(alpha=value)

    def outputs(self, model: Any, values: np.ndarray) -> np.ndarray:
        """Return estimates, [utterances]."""
        return np.asarray(model.predict(values), dtype=np.float64)
