"""Logistic regression as a probe, beside ridge regression."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from tokser.experiments.logistic_regression import LogisticRows
from tokser.experiments.probing.folds import Fold
from tokser.experiments.statistics.metrics import confusion_of, uar_from_confusion

__all__ = ["PENALTIES", "logistic_predictions"]

PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Values of C, scikit-learn's inverse penalty, that dev selects among."""
_TOLERANCE = 1e-2
"""Of the solver: a probe asks for classes, not for probabilities."""


def logistic_predictions(
    values: Float64[np.ndarray, "utterances dim"],
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
    names = np.asarray(classes, dtype=object)
    found = [np.empty_like(own) for own in wanted]
    for fold in folds:
        search = _Trainable(values[fold.train], values[fold.dev])
        truth = list(wanted[0][fold.dev])
        scores = [
            _uar(truth, search.predict(wanted[0][fold.train], names, c), classes) for c in PENALTIES
        ]
        best = PENALTIES[int(np.argmax(scores))]
        both = np.concatenate([fold.train, fold.dev])
        refit = _Trainable(values[both], values[fold.test])
        for own, guess in zip(wanted, found, strict=True):
            guess[fold.test] = refit.predict(own[both], names, best)
    return found


class _Trainable:
    """A training part and further samples, standardised by the training part.

    Args:
        train: Functionals that models are fitted to.
        other: Functionals whose classes are predicted.
    """

    def __init__(self, train: np.ndarray, other: np.ndarray) -> None:
        mean, scale = train.mean(axis=0), train.std(axis=0)
        inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 1e-6 * abs(mean))
        self._rows = LogisticRows((train - mean) * inverse)
        self._other = (other - mean) * inverse

    def predict(self, labels: np.ndarray, classes: np.ndarray, penalty: float) -> np.ndarray:
        """Fit to labels of the training part; return the classes of the further samples."""
        present = np.array([name in set(labels) for name in classes])
        names = classes[present]
        is_label = labels[:, None] == names[None, :]
        weights = is_label @ (len(labels) / (len(names) * is_label.sum(axis=0)))
        found = self._rows.fit(
            is_label.argmax(axis=1),
            len(names),
            penalty=penalty,
            importance=weights,
            tolerance=_TOLERANCE,
        )
        logits = self._other @ found.weights.T + found.intercepts
        guess: np.ndarray = names[logits.argmax(axis=1)]
        return guess


def _uar(truth: Sequence[str], guess: np.ndarray, classes: Sequence[str]) -> float:
    return float(uar_from_confusion(confusion_of(truth, list(guess), classes)))
