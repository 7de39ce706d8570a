"""A member of a model: one sum of features, and the head that was trained on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Num

from tokser.experiments.feature_expressions import Early, Term
from tokser.experiments.heads.trained_head import FittedHead

__all__ = ["Member", "ReadFrames"]

ReadFrames = Callable[[str, str], np.ndarray]
"""Returns the frames of a feature and an utterance, [frames, dim]."""
_AT_ONCE = 32
"""Utterances whose frames are read together."""


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

    @property
    def terms(self) -> tuple[Term, ...]:
        """The features that it reads; of a head over frames each layer by itself."""
        if not self.fitted.head.reads_frames:
            return self.features.terms
        names = (name for term in self.features.terms for name in term.features)
        return tuple(Term(name) for name in names)

    def frame_outputs(self, read: ReadFrames, ids: Sequence[str]) -> np.ndarray:
        """Return what `outputs` does, of a head over frames.

        Args:
            read: Returns the frames of a feature and an utterance, [frames, dim].
            ids: Utterances.
        """
        from tokser.experiments.frames import FrameBatch  # loads torch
        from tokser.experiments.heads.frames.trained import TrainedFrameHead

        head = self.fitted.head
        if not isinstance(head, TrainedFrameHead):
            raise TypeError(f"{head.kind} reads functionals, and no frames")
        found = []
        for first in range(0, len(ids), _AT_ONCE):
            few = ids[first : first + _AT_ONCE]
            batches = [
                FrameBatch.of([[read(name, one) for one in few] for name in term.features])
                for term in self.features.terms
            ]
            scaled = head.standardised(self.fitted.scaling, batches)
            found.append(head.frame_outputs(scaled))
        return self.fitted.on_scale(np.concatenate(found))
