"""A trained head that is coefficients and intercepts: logistic regression of either kind."""

from typing import Any

import numpy as np

from tokser.experiments.heads.trained_estimator import TrainedEstimator

__all__ = ["TrainedCoefficients"]


class TrainedCoefficients(TrainedEstimator):
    """Coefficients and intercepts of an estimator that gives probabilities."""

    @staticmethod
    def raw_outputs(estimator: Any, values: np.ndarray) -> np.ndarray:
        """Return probabilities."""
        return np.asarray(estimator.predict_proba(values))

    @staticmethod
    def learnt(estimator: Any) -> dict[str, np.ndarray]:
        """Return coefficients and intercepts."""
        return {"coefficients": estimator.coef_, "intercepts": estimator.intercept_}
