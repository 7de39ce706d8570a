"""Logistic regression as a probe, beside ridge regression."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from scipy.optimize import minimize
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from tokser.experiments.probing.folds import Fold
from tokser.experiments.statistics.metrics import confusion_of, uar_from_confusion

__all__ = ["PENALTIES", "Rotated", "fit_logistic", "logistic_predictions"]

PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Values of C, scikit-learn's inverse penalty, that dev selects among."""
_MOST_STEPS = 500
_TOLERANCE = 1e-4
"""Of the loss an utterance, between two steps."""


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
        search = Rotated.of(values[fold.train], values[fold.dev])
        truth = list(wanted[0][fold.dev])
        scores = [
            _uar(truth, search.predict(wanted[0][fold.train], names, c), classes) for c in PENALTIES
        ]
        best = PENALTIES[int(np.argmax(scores))]
        both = np.concatenate([fold.train, fold.dev])
        refit = Rotated.of(values[both], values[fold.test])
        for own, guess in zip(wanted, found, strict=True):
            guess[fold.test] = refit.predict(own[both], names, best)
    return found


class Rotated(NamedTuple):
    """A training part in the space that it spans, along its principal axes, and further samples.

    A penalty on the squared norm has its optimum in that space, and a rotation keeps the norm, so
    the model is that of all columns.

    Attributes:
        train: [train, axes].
        other: [other, axes].
        energy: Squared length of each column of `train`.
    """

    train: Float64[np.ndarray, "train axes"]
    other: Float64[np.ndarray, "other axes"]
    energy: Float64[np.ndarray, " axes"]

    @classmethod
    def of(cls, train: np.ndarray, other: np.ndarray) -> "Rotated":
        """Standardise by the training part, and rotate."""
        mean, scale = train.mean(axis=0), train.std(axis=0)
        inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 1e-6 * abs(mean))
        # By torch, whose threads the caller keeps to one.
        known, further = (torch.from_numpy((own - mean) * inverse) for own in (train, other))
        if known.shape[0] <= known.shape[1]:
            squares, left = torch.linalg.eigh(known @ known.T)
            kept = squares > squares[-1] * 1e-10
            basis = known.T @ (left[:, kept] / squares[kept].sqrt())
        else:
            squares, right = torch.linalg.eigh(known.T @ known)
            kept = squares > squares[-1] * 1e-10
            basis = right[:, kept]
        return cls(*(own.numpy() for own in (known @ basis, further @ basis, squares[kept])))

    def predict(self, labels: np.ndarray, classes: np.ndarray, penalty: float) -> np.ndarray:
        """Fit to labels of the training part; return the classes of the further samples."""
        present = np.array([name in set(labels) for name in classes])
        names = classes[present]
        coefficients, intercepts = fit_logistic(self, labels, names, penalty)
        guess: np.ndarray = names[(self.other @ coefficients + intercepts).argmax(axis=1)]
        return guess


def fit_logistic(
    part: Rotated, labels: np.ndarray, classes: np.ndarray, penalty: float
) -> tuple[Float64[np.ndarray, "axes classes"], Float64[np.ndarray, " classes"]]:
    """Return coefficients W and intercepts of multinomial logistic regression.

    sum_i s_i (-log p_i) + |W|^2 / (2 C), s = utterances / (classes * utterances of the class): that
    of scikit-learn with balanced classes. Along principal axes the curvature is at most
    1 / C + mean(s) energy / 2, so each axis is scaled by its root first: it converges in tens of
    steps, where plain L-BFGS takes hundreds.

    Args:
        part: What is fitted.
        labels: Of the training part.
        classes: Those that occur.
        penalty: C.
    """
    is_label = (labels[:, None] == classes[None, :]).astype(np.float64)
    counts = is_label.sum(axis=0)
    weights = is_label @ (len(labels) / (len(classes) * counts))
    scale = 1 / np.sqrt(1 / penalty + 0.25 * part.energy)
    num_axes, num_classes = part.train.shape[1], len(classes)
    train = torch.from_numpy(part.train)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = flat.reshape(num_axes + 1, num_classes)
        coefficients = scale[:, None] * scaled[:-1]
        outputs = (train @ torch.from_numpy(coefficients)).numpy() + scaled[-1]
        logs = log_softmax(outputs, axis=1)
        wrong = weights[:, None] * (np.exp(logs) - is_label)
        value = -(weights * (logs * is_label).sum(axis=1)).sum()
        value += (coefficients**2).sum() / (2 * penalty)
        slope = (train.T @ torch.from_numpy(wrong)).numpy() + coefficients / penalty
        slope *= scale[:, None]
        return float(value), np.concatenate([slope, wrong.sum(axis=0)[None]]).ravel()

    start = np.zeros((num_axes + 1) * num_classes)
    options = {"maxiter": _MOST_STEPS, "ftol": _TOLERANCE / len(labels), "gtol": _TOLERANCE}
    with threadpool_limits(limits=1):  # its vectors are short: threads would wait for each other
        solved = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    found = solved.x.reshape(num_axes + 1, num_classes)
    return scale[:, None] * found[:-1], found[-1]


def _uar(truth: Sequence[str], guess: np.ndarray, classes: Sequence[str]) -> float:
    return float(uar_from_confusion(confusion_of(truth, list(guess), classes)))
