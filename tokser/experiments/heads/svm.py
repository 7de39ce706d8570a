"""Support vector machines with a Gaussian kernel, C out of 0.1, 1, 10, 100."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tokser.config import GridSettings
from tokser.experiments.heads.gaussian_svm import GaussianSVM, TrainingKernel
from tokser.experiments.heads.per_fold import Candidate, Part, SweptHead, class_weight
from tokser.experiments.heads.trained_estimator import TrainedEstimator, softmax_of_decisions
from tokser.experiments.task import Loss

__all__ = ["SVMHead", "TrainedSVM"]

_KERNEL = "kernel"
"""Name of what the costs that are fitted on a part share."""


class TrainedSVM(TrainedEstimator):
    """Support vectors, their coefficients, intercepts of each pair of classes, and gamma."""

    kind = "svm"

    @staticmethod
    def raw_outputs(estimator: Any, values: np.ndarray) -> np.ndarray:
        """Return a softmax of the decision values: an SVM has no probabilities."""
        return softmax_of_decisions(np.asarray(estimator.decision_function(values)))

    @staticmethod
    def learnt(estimator: Any) -> dict[str, np.ndarray]:
        """Return support vectors, coefficients and intercepts as libsvm has them, and gamma."""
        return {
            "support_vectors": estimator.vectors,
            "num_support": estimator.num_support,
            "coefficients": estimator.coefficients,
            "intercepts": estimator.intercepts,
            "gamma": np.array([estimator.gamma], dtype=np.float64),
        }

    @staticmethod
    def rebuilt(
        learnt: Mapping[str, np.ndarray],
        classes: np.ndarray | None,
        trusted: Sequence[str] = (),
    ) -> GaussianSVM:
        """Return an estimator with these support vectors."""
        vectors, counts = learnt["support_vectors"], learnt["num_support"]
        coefficients, intercepts = learnt["coefficients"], learnt["intercepts"]
        if classes is None:
            raise ValueError("support vectors of no classes")
        num_classes = len(classes)
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
        gamma = float(learnt["gamma"][0])
        return GaussianSVM(classes, vectors, counts, coefficients, intercepts, gamma)


class SVMHead(SweptHead):
    """`svm`: fitted by hinge loss, selected and tested as every classifier is."""

    losses = frozenset[Loss]({"cross-entropy"})
    trained_as = TrainedSVM
    has_probabilities = False
    param, values = "C", (0.1, 1.0, 10.0, 100.0)

    def candidate(self, value: float, grid: GridSettings) -> Candidate:
        """Return a machine of one cost; all of them share the kernel of a training part."""
        weight = class_weight(grid)

        def fit(train: Part) -> Iterator[GaussianSVM]:
            if _KERNEL not in train.shared:
                train.shared[_KERNEL] = TrainingKernel(train.values)
            yield train.shared[_KERNEL].fit(train.target, value, weight)

        return Candidate({self.param: value}, fit)
