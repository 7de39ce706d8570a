"""The folds of an experiment with logistic regression of scikit-learn, as one writes them by hand.

A module of its own, so that processes of joblib can import it.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

Places = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Rows of train, dev and test."""


def fit_fold(
    values: np.ndarray, labels: np.ndarray, places: Places, tolerance: float
) -> tuple[float, np.ndarray]:
    """Fit on train, score dev, fit on train and dev, and predict test.

    Args:
        values: Functionals, [utterances, features], float64.
        labels: Of each utterance.
        places: Parts of the fold.
        tolerance: `tol` of scikit-learn.

    Returns:
        The accuracy on dev, and probabilities of the test part.
    """
    train, dev, test = places
    both = np.concatenate([train, dev])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tight tolerances end where rounding does
        scaling, model = _fitted(values[train], labels[train], tolerance)
        score = float(model.score(scaling.transform(values[dev]), labels[dev]))
        scaling, model = _fitted(values[both], labels[both], tolerance)
        return score, np.asarray(model.predict_proba(scaling.transform(values[test])))


def fit_folds(
    values: np.ndarray,
    labels: np.ndarray,
    folds: Sequence[Places],
    tolerance: float,
    num_jobs: int,
) -> list[np.ndarray]:
    """Do so for all folds, in processes; return probabilities of each test part."""
    call = delayed(fit_fold)
    done = Parallel(n_jobs=num_jobs)(call(values, labels, own, tolerance) for own in folds)
    return [probabilities for _, probabilities in done]


def _fitted(
    values: np.ndarray, labels: np.ndarray, tolerance: float
) -> tuple[StandardScaler, LogisticRegression]:
    scaling = StandardScaler().fit(values)
    model = LogisticRegression(tol=tolerance, max_iter=50_000)
    return scaling, model.fit(scaling.transform(values), labels)
