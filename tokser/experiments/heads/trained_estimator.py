"""Estimators of scikit-learn after training, kept as arrays or through skops, never pickled."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from tokser.experiments.heads.trained_head import TrainedHead, in_order_of

__all__ = ["TrainedEstimator", "softmax_of_decisions"]

_COLUMN_MAJOR = "column_major"
"""Key of a description: arrays whose columns lay one after the other in memory. Products sum in
another order otherwise, and the last bit differs."""


def softmax_of_decisions(
    decided: Float[np.ndarray, "utterances ..."],
) -> Float[np.ndarray, "utterances classes"]:
    """Return a softmax of decision values, for estimators that have no probabilities.

    Args:
        decided: [utterances, classes]; of two classes [utterances], above 0 for the second one.
    """
    if decided.ndim == 1:
        decided = np.stack([-decided, decided], axis=1) / 2
    raised = np.exp(decided - decided.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


class TrainedEstimator(TrainedHead):
    """A fitted estimator and the classes of the task.

    Args:
        estimator: Fitted.
        classes: All classes, in the order of the outputs; none for numbers.
    """

    def __init__(self, estimator: Any, classes: Sequence[str]) -> None:
        self.estimator = estimator
        self.classes = tuple(classes)

    @staticmethod
    @abstractmethod
    def raw_outputs(estimator: Any, values: np.ndarray) -> np.ndarray:
        """Return probabilities by `estimator.classes_`, or numbers."""

    @staticmethod
    @abstractmethod
    def learnt(estimator: Any) -> dict[str, np.ndarray]:
        """Return the arrays that were learnt, by name."""

    @staticmethod
    @abstractmethod
    def rebuilt(
        learnt: Mapping[str, np.ndarray],
        classes: np.ndarray | None,
        trusted: Sequence[str] = (),
    ) -> Any:
        """Return an estimator that has learnt these arrays.

        Args:
            learnt: As `learnt` returned them.
            classes: Those of its training part; None for numbers.
            trusted: Names of types that it may hold, where types are of any kind.
        """

    def outputs(self, values: np.ndarray) -> np.ndarray:
        """Return probabilities in the order of the classes, or numbers."""
        raw = self.raw_outputs(self.estimator, values)
        return in_order_of(self.classes, raw, getattr(self.estimator, "classes_", ()))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what was learnt."""
        return self.learnt(self.estimator)

    def description(self) -> dict[str, Any]:
        """Return the classes, those of the training part, and how arrays lay in memory."""
        trained = [str(name) for name in getattr(self.estimator, "classes_", ())]
        flags = {name: array.flags for name, array in self.arrays().items()}
        turned = [n for n, f in flags.items() if f.f_contiguous and not f.c_contiguous]
        return {
            "classes": list(self.classes),
            "trained_classes": trained,
            _COLUMN_MAJOR: turned,
        }

    @classmethod
    def restored(
        cls,
        description: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        trusted: Sequence[str] = (),
    ) -> "TrainedEstimator":
        """Make the head of its description and arrays again."""
        turned = description[_COLUMN_MAJOR]
        learnt = {
            name: np.array(array, order="F" if name in turned else "C", copy=True)
            for name, array in arrays.items()
        }
        trained = description["trained_classes"]
        classes = np.array(trained, dtype=object) if trained else None
        unknown = set(trained) - set(description["classes"])
        if unknown:
            raise ValueError(f"classes that the task has not: {sorted(unknown)}")
        return cls(cls.rebuilt(learnt, classes, trusted), description["classes"])

    @property
    def num_features(self) -> int:
        """Width of the functionals that it takes."""
        return int(self.estimator.n_features_in_)

    @property
    def num_outputs(self) -> int:
        """Number of classes; 0 for numbers."""
        return len(self.classes)
