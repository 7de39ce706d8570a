"""Ridge regression of scikit-learn, penalties 1, 10 ... 100,000."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from tokser.config import GridSettings
from tokser.experiments.heads.per_fold import Candidate, SweptHead
from tokser.experiments.heads.trained_estimator import TrainedEstimator
from tokser.experiments.task import Loss

__all__ = ["RidgeHead", "TrainedRidge"]


class TrainedRidge(TrainedEstimator):
    """Coefficients [features] and an intercept [1]."""

    kind = "ridge"

    @staticmethod
    def raw_outputs(estimator: Any, values: np.ndarray) -> np.ndarray:
        """Return estimates, [utterances]."""
        return np.asarray(estimator.predict(values), dtype=np.float64)

    @staticmethod
    def learnt(estimator: Any) -> dict[str, np.ndarray]:
        """Return coefficients and intercept."""
        return {"coefficients": estimator.coef_, "intercept": np.atleast_1d(estimator.intercept_)}

    @staticmethod
    def rebuilt(
        learnt: Mapping[str, np.ndarray],
        classes: np.ndarray | None,
        trusted: Sequence[str] = (),
    ) -> Ridge:
        """Return an estimator with these coefficients."""
        coefficients, intercept = learnt["coefficients"], learnt["intercept"]
        if coefficients.ndim != 1 or intercept.shape != (1,):
            raise ValueError("coefficients that are no vector, or more than one intercept")
        estimator = Ridge()
        estimator.coef_, estimator.intercept_ = coefficients, intercept[0]
        estimator.n_features_in_ = len(coefficients)
        return estimator


class RidgeHead(SweptHead):
    """`ridge`: a linear map to numbers."""

    losses = frozenset[Loss]({"squared error"})
    trained_as = TrainedRidge
    param, values = "penalty", tuple(float(10**power) for power in range(6))

    def candidate(self, value: float, grid: GridSettings) -> Candidate:
        """Return a model of one penalty."""
        return Candidate.of({self.param: value}, Ridge(alpha=value))
