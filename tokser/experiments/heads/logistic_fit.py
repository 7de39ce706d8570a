"""Logistic regression of one training part, as an estimator that predicts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from tokser.experiments.heads.logistic_estimator import LogisticEstimator
from tokser.experiments.logistic_regression import LogisticRows

__all__ = ["fit_labels", "fit_rows"]


def fit_labels(
    values: Float[np.ndarray, "rows features"],
    labels: Sequence[Any] | np.ndarray,
    *,
    penalty: float = 1.0,
    is_balanced: bool = False,
) -> LogisticEstimator:
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
) -> LogisticEstimator:
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
    return LogisticEstimator(
        names, np.ascontiguousarray(coefficients, dtype=dtype), intercepts.astype(dtype)
    )
