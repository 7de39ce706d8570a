"""A fitted logistic regression that predicts as scikit-learn's does, to the bit, without it."""

import numpy as np
from jaxtyping import Float

__all__ = ["LogisticEstimator"]


class LogisticEstimator:
    """Coefficients and intercepts that give probabilities; to import scikit-learn takes a second.

    Args:
        classes: Names.
        coefficients: [classes, features]; of two classes, one row.
        intercepts: Of each row.
    """

    def __init__(
        self, classes: np.ndarray, coefficients: np.ndarray, intercepts: np.ndarray
    ) -> None:
        self.classes_ = classes
        self.coef_, self.intercept_ = coefficients, intercepts
        self.n_features_in_ = coefficients.shape[1]

    def predict_proba(
        self, values: Float[np.ndarray, "utterances features"]
    ) -> Float[np.ndarray, "utterances classes"]:
        """Return the probability of each class: a softmax, of two classes the logistic function.

        Raises:
            ValueError: Values are not finite, or rows are not as wide as the training part's.
        """
        if not np.isfinite(values).all():
            raise ValueError("finite values are needed, got NaN or infinity")
        logits = values @ self.coef_.T + self.intercept_
        if len(self.classes_) == 2:
            from scipy.special import expit  # takes an eighth of a second to import

            of_second = expit(logits[:, 0])
            return np.stack([1 - of_second, of_second], axis=1)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def predict(self, values: Float[np.ndarray, "utterances features"]) -> np.ndarray:
        """Return the most probable class of each row, the first of equally probable ones."""
        return np.asarray(self.classes_[self.predict_proba(values).argmax(axis=1)])
