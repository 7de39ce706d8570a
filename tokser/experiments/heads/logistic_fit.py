"""Logistic regression of one training part, as an estimator of scikit-learn that predicts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from sklearn.linear_model import LogisticRegression

from tokser.experiments.logistic_regression import LogisticRows

__all__ = ["estimator_of", "fit_labels", "fit_rows"]


def estimator_of(
    classes: np.ndarray, coefficients: np.ndarray, intercepts: np.ndarray, penalty: float = 1.0
) -> LogisticRegression:
    """Return an estimator with these coefficients.

    Args:
        classes: Names.
        coefficients: [classes, features]; of two classes, one row.
        intercepts: Of each row.
        penalty: C.
    """
    estimator = LogisticRegression(C=penalty)
    estimator.classes_, estimator.n_features_in_ = classes, coefficients.shape[1]
    estimator.coef_, estimator.intercept_ = coefficients, intercepts
    return estimator


def fit_labels(
    values: Float[np.ndarray, "rows features"],
    labels: Sequence[Any] | np.ndarray,
    *,
    penalty: float = 1.0,
    is_balanced: bool = False,
) -> LogisticRegression:
    """Fit rows of one class each.

    Args:
        values: Features of the training rows.
        labels: Of each row.
        penalty: C.
        is_balanced: Whether a class weighs rows / (classes * its rows).

    Raises:
        ValueError: There are fewer than two classes, or values are not finite.
    """
    names, numbers = np.unique(np.asarray(labels), return_inverse=True)
    shares = np.zeros((len(names), len(numbers)))
    shares[numbers, np.arange(len(numbers))] = 1
    if is_balanced:
        shares *= len(numbers) / (len(names) * shares.sum(axis=1, keepdims=True))
    return fit_rows(LogisticRows(values), values.dtype, names, shares, penalty)


def fit_rows(
    rows: LogisticRows,
    dtype: np.dtype[Any],
    names: np.ndarray,
    shares: Float64[np.ndarray, "classes rows"],
    penalty: float = 1.0,
) -> LogisticRegression:
    """Fit shares of classes, of which each occurs.

    Args:
        rows: Training rows.
        dtype: Of the coefficients.
        names: Of the classes.
        shares: How much each counts in each row.
        penalty: C.

    Raises:
        ValueError: There are fewer than two classes.
    """
    if len(names) < 2:
        raise ValueError(f"two classes or more are needed, got {list(names)}")
    found = rows.fit_shares(shares, penalty=penalty)
    coefficients, intercepts = found.weights, found.intercepts
    if len(names) == 2:
        coefficients, intercepts = np.diff(coefficients, axis=0), np.diff(intercepts)
    estimator = estimator_of(
        names,
        np.ascontiguousarray(coefficients, dtype=dtype),
        intercepts.astype(dtype),
        penalty,
    )
    estimator.n_iter_ = np.array([found.num_steps], dtype=np.int32)
    return estimator
