"""Logistic regression as a probe, beside ridge regression."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression

from tokser.experiments.probing.folds import Fold
from tokser.experiments.statistics.metrics import confusion_of, uar_from_confusion

__all__ = ["PENALTIES", "logistic_predictions"]

PENALTIES = (0.01, 0.1, 1.0)
"""Values of C that dev selects among."""
_TOLERANCE = 1e-3


def logistic_predictions(
    values: Float[np.ndarray, "utterances dim"],
    wanted: Sequence[np.ndarray],
    folds: Sequence[Fold],
    classes: Sequence[str],
) -> list[np.ndarray]:
    """Return the predicted class of each utterance, for each of some targets that share the folds.

    The penalty is selected on dev for the first target, and is taken for its controls, too. Classes
    weigh the same, as the UAR asks for.

    Args:
        values: Functionals.
        wanted: The target, then its shuffled controls.
        folds: Of both.
        classes: All classes of the target.
    """
    found = [np.empty_like(own) for own in wanted]
    for fold in folds:
        train, dev = _rotated(values, fold.train, fold.dev)
        first = wanted[0]
        scores = [
            _uar(first[fold.dev], _fitted(train, first[fold.train], c).predict(dev), classes)
            for c in PENALTIES
        ]
        best = PENALTIES[int(np.argmax(scores))]
        both = np.concatenate([fold.train, fold.dev])
        train, test = _rotated(values, both, fold.test)
        for own, guess in zip(wanted, found, strict=True):
            guess[fold.test] = _fitted(train, own[both], best).predict(test)
    return found


class _Constant:
    """Predicts the only class that there is."""

    def __init__(self, label: str) -> None:
        self._label = label

    def predict(self, values: np.ndarray) -> np.ndarray:
        """Return it for everybody."""
        return np.full(len(values), self._label, dtype=object)


def _fitted(
    values: np.ndarray, labels: np.ndarray, penalty: float
) -> LogisticRegression | _Constant:
    if len(set(labels)) == 1:  # what a fold leaves of a rare class
        return _Constant(labels[0])
    model = LogisticRegression(C=penalty, class_weight="balanced", max_iter=5_000, tol=_TOLERANCE)
    model.fit(values, labels)
    return model


def _rotated(
    values: np.ndarray, train: np.ndarray, other: np.ndarray
) -> tuple[Float[np.ndarray, "train _"], Float[np.ndarray, "other _"]]:
    """Standardise by train, and rotate to the space that train spans: of no more columns than rows.

    A penalty on the squared norm has its optimum there, and a rotation keeps that norm, so the
    model is the same and is fitted several times faster where there are fewer samples than columns.
    """
    known = values[train].astype(np.float64)
    mean, scale = known.mean(axis=0), known.std(axis=0)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 1e-6 * abs(mean))
    known, further = (known - mean) * inverse, (values[other] - mean) * inverse
    if known.shape[0] >= known.shape[1]:
        return known, further
    _, _, basis = np.linalg.svd(known, full_matrices=False)
    return known @ basis.T, further @ basis.T


def _uar(truth: np.ndarray, guess: np.ndarray, classes: Sequence[str]) -> float:
    return float(uar_from_confusion(confusion_of(list(truth), list(guess), classes)))
