"""What a head is trained on: functionals, means that stand for frames, or frames."""

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from tokser.experiments.dataset import Dataset, Functionals
from tokser.experiments.feature_expressions import Early, as_means
from tokser.experiments.heads.head import Head
from tokser.experiments.pooled_feature import PooledFeature
from tokser.functionals.rounding import row_roundoff

if TYPE_CHECKING:
    from tokser.experiments.frames import TermFrames
else:
    TermFrames = Any  # its module imports torch

__all__ = ["HeadInputs", "read_inputs"]


class HeadInputs(NamedTuple):
    """What a head reads of a sum of features.

    Attributes:
        functionals: Without columns for a head over frames.
        frames: What it reads frames or means by, by term; none for a head on functionals.
        features: The sum as a model reads it: of a head on means, the mean of each layer.
        widths: Numbers of each of its terms.
    """

    functionals: Functionals
    frames: tuple[TermFrames, ...]
    features: Early
    widths: tuple[int, ...]


def read_inputs(
    dataset: Dataset, early: Early, head: Head, frames_mb: int = 1024, device: str = "cpu"
) -> HeadInputs:
    """Read what a head needs; frames are read when it trains.

    Args:
        dataset: Where it is read.
        early: The sum of features.
        head: What is trained on it.
        frames_mb: Memory for frames that cannot be mapped, or that a GPU holds, in MB.
        device: Where frames are wanted.
    """
    if head.reads == "functionals":
        functionals = dataset.functionals(early)
        return HeadInputs(functionals, (), early, tuple(functionals.widths.values()))
    from tokser.experiments import frames as over_frames

    are_means = head.reads == "means"
    frames = tuple(
        over_frames.TermFrames(
            tuple(
                PooledFeature(dataset.store, name) if are_means else dataset.store[name]
                for name in term.features
            ),
            roundoff=max(row_roundoff(dataset.store, name) for name in term.features),
            speakers=dataset.scaled_within,
            budget_bytes=frames_mb * 2**20 // len(early.terms),
            device=device,
            are_means=are_means,
        )
        for term in early.terms
    )
    nothing = Functionals(pd.DataFrame(index=dataset.utterances.index), None, {})
    if are_means:
        features = as_means(early)
        widths = tuple(layer.dim for term in frames for layer in term.layers)
        return HeadInputs(nothing, frames, features, widths)
    return HeadInputs(nothing, frames, early, tuple(len(t.layers) * t.dim for t in frames))
