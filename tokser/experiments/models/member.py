"""A member of a model: one sum of features, and the head that was trained on it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Num

from tokser.experiments.feature_expressions import Early
from tokser.experiments.heads.trained_head import FittedHead

__all__ = ["Member"]


@dataclass(frozen=True)
class Member:
    """One sum of features with its head; a model has one, or several that are averaged.

    Attributes:
        features: What stands side by side.
        widths: Columns of each term, in order.
        fitted: Head, standardisation, scale of the target.
        head: Name of the head in settings, `logreg` for instance.
        params: What was selected, `C` for instance, and the epochs of a network.
        dev_score: Mean of the folds' cross-fitted scores on dev; none where nothing chose.
    """

    features: Early
    widths: tuple[int, ...]
    fitted: FittedHead
    head: str
    params: dict[str, Any] = field(default_factory=dict)
    dev_score: float | None = None

    def outputs(self, functionals: Num[np.ndarray, "utterances features"]) -> np.ndarray:
        """Return probabilities, [utterances, classes], or numbers, [utterances].

        Args:
            functionals: Of its terms, side by side, not standardised by training.
        """
        return self.fitted.outputs(functionals)
