"""What training leaves: a head that can be kept as arrays, and what it needs to be applied."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32, Num

from tokser.experiments.task import TargetScale
from tokser.functionals.standardise import Standardiser

__all__ = ["FittedHead", "TrainedHead", "in_order_of"]


class TrainedHead(ABC):
    """A head after training: arrays, and a description in words and numbers.

    What is restored of both puts out the same bits.

    Attributes:
        kind: Its name in a model folder, by which `registry.restore_head` finds it.
    """

    kind: ClassVar[str]

    @abstractmethod
    def outputs(self, values: Float32[np.ndarray, "utterances features"]) -> np.ndarray:
        """Return probabilities, [utterances, classes], or numbers, [utterances].

        Args:
            values: Standardised functionals.

        Returns:
            Probabilities in the order of the classes that it was trained for; one that its
            training part lacked has 0. Numbers on the scale of the training part.
        """

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything that was learnt, by name, as it is saved."""

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """Return what else `restored` needs, as JSON has it."""

    @classmethod
    @abstractmethod
    def restored(
        cls, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> "TrainedHead":
        """Make the head of its description and arrays again.

        Raises:
            ValueError, KeyError, TypeError: They do not fit each other.
        """

    @property
    @abstractmethod
    def num_features(self) -> int:
        """Width of the functionals that it takes."""

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """Number of classes; 0 where it puts out numbers."""


@dataclass(frozen=True)
class FittedHead:
    """A trained head with the scales of what it was trained on.

    Attributes:
        head: The head.
        scaling: What its training part standardises functionals by.
        target_scale: What its numbers are on; None for classes.
    """

    head: TrainedHead
    scaling: Standardiser
    target_scale: TargetScale | None = None

    def outputs(self, functionals: Num[np.ndarray, "utterances features"]) -> np.ndarray:
        """Return probabilities, [utterances, classes], or numbers of the corpus, [utterances].

        Args:
            functionals: As a store has them, [utterances, features].
        """
        found = self.head.outputs(self.scaling.apply(functionals))
        return found if self.target_scale is None else self.target_scale.undo(found)


def in_order_of(
    classes: Sequence[str], outputs: np.ndarray, trained_classes: Iterable[Any]
) -> np.ndarray:
    """Put probabilities in the order of all classes; one that training lacked gets 0.

    Args:
        classes: All of them; none for numbers, which stay as they are.
        outputs: By the classes of the training part.
        trained_classes: These classes.
    """
    if not classes:
        return outputs
    probabilities = np.zeros((len(outputs), len(classes)))
    places = [classes.index(str(name)) for name in trained_classes]
    probabilities[:, places] = outputs
    return probabilities
