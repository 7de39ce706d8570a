"""Support vector machines of scikit-learn with a Gaussian kernel, C out of 0.1, 1, 10, 100."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.svm import SVC

from tokser.config import GridSettings
from tokser.experiments.heads.per_fold import SweptHead, class_weight
from tokser.experiments.heads.trained_estimator import TrainedEstimator, softmax_of_decisions
from tokser.experiments.task import Loss

__all__ = ["SVMHead", "TrainedSVM"]


class TrainedSVM(TrainedEstimator):
    """Support vectors, their coefficients, intercepts of each pair of classes, and gamma.

    libsvm computes decisions from exactly these, so what is restored decides by the same code.
    """

    kind = "svm"

    @staticmethod
    def raw_outputs(estimator: Any, values: np.ndarray) -> np.ndarray:
        """Return a softmax of the decision values: an SVM has no probabilities."""
        return softmax_of_decisions(np.asarray(estimator.decision_function(values)))

    @staticmethod
    def learnt(estimator: Any) -> dict[str, np.ndarray]:
        """Return support vectors, coefficients and intercepts as libsvm has them, and gamma."""
        return {
            "support_vectors": estimator.support_vectors_,
            "num_support": estimator.n_support_,
            "coefficients": estimator._dual_coef_,
            "intercepts": estimator._intercept_,
            "gamma": np.array([estimator._gamma], dtype=np.float64),
        }

    @staticmethod
    def rebuilt(
        learnt: Mapping[str, np.ndarray],
        classes: np.ndarray | None,
        trusted: Sequence[str] = (),
    ) -> SVC:
        """Return an estimator with these support vectors."""
        vectors, counts = learnt["support_vectors"], learnt["num_support"]
        coefficients, intercepts = learnt["coefficients"], learnt["intercepts"]
        # libsvm reads memory by these shapes, and does not look whether they fit.
        num_classes = 0 if classes is None else len(classes)
        wanted = {
            "counts of support vectors": (counts.shape, (num_classes,)),
            "coefficients": (coefficients.shape, (num_classes - 1, len(vectors))),
            "intercepts": (intercepts.shape, (num_classes * (num_classes - 1) // 2,)),
            "gamma": (learnt["gamma"].shape, (1,)),
        }
        wrong = [name for name, (got, shape) in wanted.items() if got != shape]
        if num_classes < 2 or vectors.ndim != 2 or wrong or counts.min() < 0:
            raise ValueError(f"support vectors, and other shapes of {', '.join(wrong) or 'them'}")
        if counts.sum() != len(vectors) or counts.dtype != np.int32:
            raise ValueError("counts of support vectors that are not their number")
        if any(a.dtype != np.float64 for a in (vectors, coefficients, intercepts)):
            raise ValueError("numbers that are not float64")
        estimator = SVC(gamma=float(learnt["gamma"][0]))
        estimator.classes_, estimator.n_features_in_ = classes, vectors.shape[1]
        estimator.support_vectors_, estimator._n_support = vectors, counts
        estimator.support_ = np.arange(len(vectors), dtype=np.int32)
        estimator.dual_coef_ = estimator._dual_coef_ = coefficients
        estimator.intercept_ = estimator._intercept_ = intercepts
        estimator._gamma = float(learnt["gamma"][0])
        estimator._probA = estimator._probB = np.empty(0)
        estimator._sparse, estimator._effective_probability = False, False
        estimator.fit_status_, estimator.shape_fit_ = 0, vectors.shape
        return estimator


class SVMHead(SweptHead):
    """`svm`: fitted by hinge loss, selected and tested as every classifier is."""

    losses = frozenset[Loss]({"cross-entropy"})
    trained_as = TrainedSVM
    has_probabilities = False
    param, values = "C", (0.1, 1.0, 10.0, 100.0)

    def model(self, value: float, grid: GridSettings) -> SVC:
        """Return a model of one cost."""
        return SVC(C=value, class_weight=class_weight(grid), random_state=0)
