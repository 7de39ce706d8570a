"""Logistic regression for targets that are no single label: shares, or several classes at once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from tokser.experiments.heads.per_fold import Part
from tokser.experiments.heads.trained_coefficients import TrainedCoefficients

__all__ = ["PerClassLogistic", "TrainedPerClassLogistic", "fit_per_class", "fit_shares"]


def fit_shares(model: LogisticRegression, *, is_balanced: bool, train: Part) -> Iterator[Any]:
    """Fit shares: a row for each utterance and class that was chosen, weighted by its share.

    sum_ic s_ic (-log p_ic) is the loss of these rows, and the cross-entropy of the shares: the same
    function of the coefficients. So this is cross-entropy on shares, and nothing near it.

    Args:
        model: Not fitted yet.
        is_balanced: Whether a class weighs n / (classes * sum of its shares).
        train: What it is fitted on.
    """
    from tokser.experiments.heads.losses import LOSSES  # imports torch

    shares = train.target.astype(np.float64)
    rows, columns = np.nonzero(shares > 0)
    loss = LOSSES["cross-entropy on shares"]
    importance = loss.importance(shares, shares.shape[1], is_balanced=is_balanced)
    weights = shares[rows, columns] * importance[columns]
    names = np.asarray(train.classes, dtype=object)[columns]
    yield model.fit(train.values[rows], names, sample_weight=weights)


class PerClassLogistic:
    """A logistic regression of each class against all others.

    A class that is always or never present in training has its frequency, with half an utterance
    added to both sides, for everybody.

    Attributes:
        classes_: Names of all classes.
        coef_: [classes, features].
        intercept_: [classes].
    """

    def __init__(
        self, classes: Sequence[str], coefficients: np.ndarray, intercepts: np.ndarray
    ) -> None:
        self.classes_ = np.asarray(classes, dtype=object)
        self.coef_, self.intercept_ = coefficients, intercepts
        self.n_features_in_ = coefficients.shape[1]

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        """Return the probability of each class, [utterances, classes]."""
        return np.asarray(expit(values @ self.coef_.T + self.intercept_))


def fit_per_class(
    model: LogisticRegression, *, is_balanced: bool, train: Part
) -> Iterator[PerClassLogistic]:
    """Fit one model for each class.

    Args:
        model: Not fitted yet.
        is_balanced: Whether presence and absence of a class weigh the same.
        train: What it is fitted on.
    """
    options = model.get_params() | {"class_weight": "balanced" if is_balanced else None}
    present = train.target > 0
    coefficients = np.zeros((present.shape[1], train.values.shape[1]))
    intercepts = np.zeros(present.shape[1])
    for place, own in enumerate(present.T):
        count = float(own.sum())
        if 0 < count < len(own):
            fitted = LogisticRegression(**options).fit(train.values, own)
            coefficients[place], intercepts[place] = fitted.coef_[0], fitted.intercept_[0]
        else:
            intercepts[place] = np.log((count + 0.5) / (len(own) - count + 0.5))
    yield PerClassLogistic(train.classes, coefficients, intercepts)


class TrainedPerClassLogistic(TrainedCoefficients):
    """Coefficients [classes, features] and intercepts [classes], each class by itself."""

    kind = "logreg-per-class"

    @staticmethod
    def rebuilt(
        learnt: Mapping[str, np.ndarray],
        classes: np.ndarray | None,
        trusted: Sequence[str] = (),
    ) -> PerClassLogistic:
        """Return an estimator with these coefficients."""
        coefficients, intercepts = learnt["coefficients"], learnt["intercepts"]
        number = 0 if classes is None else len(classes)
        if coefficients.ndim != 2 or len(coefficients) != number or intercepts.shape != (number,):
            raise ValueError(f"not {number} rows of coefficients and intercepts")
        return PerClassLogistic([] if classes is None else list(classes), coefficients, intercepts)
