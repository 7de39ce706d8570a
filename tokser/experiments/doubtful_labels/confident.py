"""Confident learning: which labels a model's probabilities contradict, and how many.

Source: Northcutt, Jiang and Chuang 2021, Confident Learning: Estimating Uncertainty in Dataset
Labels. Journal of Artificial Intelligence Research 70.
"""

from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from tokser.errors import MissingPackageError

__all__ = ["ConfidentLearning", "learn_confidently", "require_cleanlab"]


class ConfidentLearning(NamedTuple):
    """What confident learning finds.

    Attributes:
        is_flagged: Whether an utterance is counted off the diagonal of the confident joint.
        joint: Estimated joint distribution of label (rows) and true class, summing to 1.
    """

    is_flagged: Bool[np.ndarray, " utterances"]
    joint: Float[np.ndarray, "classes classes"]


def require_cleanlab() -> None:
    """Raise `MissingPackageError` unless cleanlab is installed."""
    if find_spec("cleanlab") is None:
        raise MissingPackageError(
            "tokser labels",
            expected="the package cleanlab, 2.9 or later",
            got="none installed",
            remedy="Install it: pip install 'tokser[labels]'.",
        )


def learn_confidently(
    labels: Int[np.ndarray, " utterances"],
    probabilities: Float[np.ndarray, "utterances classes"],
) -> ConfidentLearning:
    """Flag labels by cleanlab, and estimate how often which label stands for which class.

    An utterance counts as class j where its probability of j is at least the mean probability of j
    among the utterances labelled j, and largest among such classes. Where j is not its label, it
    is flagged. The counts, with each row scaled to the number of utterances with its label, are
    the joint distribution.

    Args:
        labels: Places of classes.
        probabilities: Out of fold.

    Raises:
        MissingPackageError: cleanlab is not installed.
    """
    require_cleanlab()
    from cleanlab.count import compute_confident_joint, estimate_joint
    from cleanlab.filter import find_label_issues

    there = np.unique(labels)
    known = probabilities[:, there].astype(np.float64)
    known = known / known.sum(axis=1, keepdims=True)
    codes = np.searchsorted(there, labels)
    counts = compute_confident_joint(codes, known)
    flagged = find_label_issues(codes, known, filter_by="confident_learning", n_jobs=1)
    size = probabilities.shape[1]
    joint = np.zeros((size, size))
    joint[np.ix_(there, there)] = estimate_joint(codes, known, confident_joint=counts)
    return ConfidentLearning(np.asarray(flagged, dtype=bool), joint)
