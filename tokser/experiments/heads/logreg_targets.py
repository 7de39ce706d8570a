"""Logistic regression for targets that are no single label: shares, or several classes at once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tokser.experiments.heads.logistic_fit import fit_rows
from tokser.experiments.heads.per_fold import Part
from tokser.experiments.heads.trained_coefficients import TrainedCoefficients
from tokser.experiments.logistic_regression import LogisticRows

__all__ = ["PerClassLogistic", "TrainedPerClassLogistic", "fit_per_class", "fit_shares"]


def fit_shares(train: Part, *, penalty: float, is_balanced: bool) -> Iterator[Any]:
    """Fit shares: cross-entropy on them is what the solver minimises.

    Args:
        train: What it is fitted on.
        penalty: C.
        is_balanced: Whether a class weighs n / (classes * sum of its shares).
    """
    from tokser.experiments.heads.losses import LOSSES  # imports torch

    shares = train.target.astype(np.float64)
    loss = LOSSES["cross-entropy on shares"]
    weights = loss.importance(shares, shares.shape[1], is_balanced=is_balanced)
    counted = (shares * weights).T
    occurs = counted.any(axis=1)
    names = np.asarray(train.classes, dtype=object)[occurs]
    rows = LogisticRows(train.values)
    yield fit_rows(rows, train.values.dtype, names, counted[occurs], penalty)


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
        from scipy.special import expit  # takes an eighth of a second to import

        return np.asarray(expit(values @ self.coef_.T + self.intercept_))


def fit_per_class(train: Part, *, penalty: float, is_balanced: bool) -> Iterator[PerClassLogistic]:
    """Fit one model for each class.

    Args:
        train: What it is fitted on.
        penalty: C.
        is_balanced: Whether presence and absence of a class weigh the same.
    """
    rows = LogisticRows(train.values)
    present = train.target > 0
    coefficients = np.zeros((present.shape[1], train.values.shape[1]))
    intercepts = np.zeros(present.shape[1])
    for place, own in enumerate(present.T):
        count = float(own.sum())
        if 0 < count < len(own):
            shares = np.stack([~own, own]).astype(np.float64)
            if is_balanced:
                shares *= len(own) / (2 * shares.sum(axis=1, keepdims=True))
            found = rows.fit_shares(shares, penalty=penalty)
            coefficients[place] = found.weights[1] - found.weights[0]
            intercepts[place] = found.intercepts[1] - found.intercepts[0]
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
