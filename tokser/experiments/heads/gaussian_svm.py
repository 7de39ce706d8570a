"""Support vector machines with a Gaussian kernel: libsvm solves them, products give the kernel.

libsvm computes each number of a kernel by itself. One product of matrices gives all of them, for
every cost that is tried, and of all decisions.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int32

__all__ = ["GaussianSVM", "TrainingKernel", "coefficients_of_pairs"]


class GaussianSVM:
    """A fitted machine, as libsvm keeps it; decisions are those of scikit-learn's `SVC`.

    Args:
        classes: Names.
        vectors: Support vectors, those of the first class first.
        num_support: How many each class has.
        coefficients: [classes - 1, vectors].
        intercepts: Of each pair of classes.
        gamma: The kernel is exp(-gamma |x - y|^2).
    """

    def __init__(
        self,
        classes: np.ndarray,
        vectors: Float64[np.ndarray, "vectors features"],
        num_support: Int32[np.ndarray, " classes"],
        coefficients: Float64[np.ndarray, "less vectors"],
        intercepts: Float64[np.ndarray, " pairs"],
        gamma: float,
    ) -> None:
        self.classes_, self.n_features_in_ = classes, vectors.shape[1]
        self.vectors, self.num_support = vectors, num_support
        self.coefficients, self.intercepts, self.gamma = coefficients, intercepts, gamma

    @classmethod
    def of(
        cls, fitted: Any, gamma: float, vectors: Float64[np.ndarray, "vectors features"]
    ) -> "GaussianSVM":
        """Return what scikit-learn's `SVC` has learnt.

        Args:
            fitted: The estimator.
            gamma: Of the kernel it was fitted with.
            vectors: Its support vectors.
        """
        # libsvm's own coefficients: those without an underscore have another sign of two classes.
        coefficients, intercepts = fitted._dual_coef_, fitted._intercept_
        return cls(fitted.classes_, vectors, fitted.n_support_, coefficients, intercepts, gamma)

    def decisions_of_pairs(
        self, values: Float[np.ndarray, "utterances features"]
    ) -> tuple[Float64[np.ndarray, "utterances pairs"], list[tuple[int, int]]]:
        """Return the decision between two classes, above 0 for the first; and the pairs."""
        coefficients, pairs = coefficients_of_pairs(self.num_support, self.coefficients)
        kernel = _kernel(values.astype(np.float64), self.vectors, self.gamma)
        return kernel @ coefficients + self.intercepts, pairs

    def decision_function(
        self, values: Float[np.ndarray, "utterances features"]
    ) -> Float64[np.ndarray, "utterances ..."]:
        """Return how many duels each class wins, and a third of a vote at most by how far.

        Of two classes one number, above 0 for the second.

        Raises:
            ValueError: Values are not finite, or rows are not as wide as the training part's.

        Source: scikit-learn, `SVC.decision_function` (`decision_function_shape="ovr"`).
        """
        if not np.isfinite(values).all():
            raise ValueError("finite values are needed, got NaN or infinity")
        decided, pairs = self.decisions_of_pairs(values)
        if len(pairs) == 1:
            return np.asarray(-decided[:, 0])
        sides = np.zeros((len(pairs), len(self.classes_)))
        for number, (first, second) in enumerate(pairs):
            sides[number, first], sides[number, second] = 1, -1
        lost = decided < 0
        votes = (sides > 0).sum(axis=0) - lost @ sides
        confidence = decided @ sides
        return np.asarray(votes + confidence / (3 * (np.abs(confidence) + 1)))


class TrainingKernel:
    """The kernel of a training part, computed once for every cost.

    Args:
        values: Functionals.

    Source: gamma is scikit-learn's "scale", 1 / (features * variance of all numbers).
    """

    def __init__(self, values: Float[np.ndarray, "utterances features"]) -> None:
        self._values = values.astype(np.float64)
        variance = float(self._values.var())
        self._gamma = 1 / (values.shape[1] * variance) if variance else 1.0
        self._kernel = _kernel(self._values, self._values, self._gamma)

    def fit(self, labels: np.ndarray, cost: float, class_weight: str | None) -> GaussianSVM:
        """Fit one cost.

        Args:
            labels: Of each row.
            cost: C.
            class_weight: As scikit-learn calls it.

        Raises:
            ValueError: There are fewer than two classes, or values are not finite.
        """
        from sklearn.svm import SVC

        solver = SVC(C=cost, kernel="precomputed", class_weight=class_weight, random_state=0)
        solver.fit(self._kernel, labels)
        return GaussianSVM.of(solver, self._gamma, self._values[solver.support_])


def coefficients_of_pairs(
    counts: Int32[np.ndarray, " classes"], coefficients: Float64[np.ndarray, "less vectors"]
) -> tuple[Float64[np.ndarray, "vectors pairs"], list[tuple[int, int]]]:
    """Write libsvm's coefficients out by pair of classes; and return the pairs.

    Args:
        counts: Support vectors of each class.
        coefficients: [classes - 1, vectors].
    """
    ends = np.cumsum(counts)
    of = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    pairs = [(i, j) for i in range(len(counts)) for j in range(i + 1, len(counts))]
    found = np.zeros((int(ends[-1]), len(pairs)))
    for number, (i, j) in enumerate(pairs):
        found[of[i], number] = coefficients[j - 1, of[i]]
        found[of[j], number] = coefficients[i, of[j]]
    return found, pairs


def _kernel(
    left: Float64[np.ndarray, "some features"],
    right: Float64[np.ndarray, "others features"],
    gamma: float,
) -> Float64[np.ndarray, "some others"]:
    """Return exp(-gamma |x - y|^2), with |x - y|^2 = |x|^2 - 2 x y + |y|^2."""
    distances = left @ right.T
    distances *= -2
    distances += np.einsum("rf,rf->r", left, left)[:, None]
    distances += np.einsum("rf,rf->r", right, right)
    distances *= -gamma
    return np.asarray(np.exp(distances, out=distances))
