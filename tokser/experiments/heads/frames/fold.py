"""A fold as a trainer of heads over frames takes it, and the batches of its utterances."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from tokser.experiments.frames import FrameBatch, FrameScaling, TermFrames
from tokser.experiments.heads.losses import LOSSES, TrainingLoss
from tokser.experiments.statistics.crossfit import halves_of
from tokser.experiments.task import TargetScale, Task
from tokser.experiments.training_data import TrainingData

__all__ = ["FrameFold", "Part", "batches_of", "dev_sums", "frame_fold", "in_pieces"]

AT_ONCE, MEANS_AT_ONCE = 32, 4096
"""Utterances that are read together where nothing is trained: their frames, or their means."""


@dataclass(frozen=True)
class Part:
    """A part of a split.

    Attributes:
        ids: Its utterances.
        target: Class numbers, or numbers on the scale of the training part, [utterances]; or
            shares, [utterances, classes].
    """

    ids: tuple[str, ...]
    target: Tensor


@dataclass(frozen=True)
class FrameFold:
    """One split.

    Attributes:
        number: Position among the splits; it seeds weights and sample order.
        terms: Where frames are read.
        scaling: Of the frames of each term, by the training part.
        train: What is trained on.
        dev: What selects; without utterances in a refit.
        dev_truth: Its labels or numbers, as the task scores them, [dev].
        dev_half: Half of dev that each belongs to, 0 or 1, see `crossfit`, [dev].
        importance: What each class weighs in the loss; none for numbers.
        target_scale: Of numbers; none for classes.
        loss: What is minimised.
        reads_compiled: What frames are rounded to for products, where compiled code reads them.
    """

    number: int
    terms: tuple[TermFrames, ...]
    scaling: tuple[FrameScaling, ...]
    train: Part
    dev: Part
    dev_truth: Shaped[np.ndarray, "dev ..."]
    dev_half: Int64[np.ndarray, " dev"]
    importance: Tensor | None
    target_scale: TargetScale | None
    loss: TrainingLoss = LOSSES["cross-entropy"]
    reads_compiled: torch.dtype | None = None

    def read(self, ids: Sequence[str]) -> list[FrameBatch]:
        """Return standardised frames by term."""
        if self.reads_compiled is not None:
            from tokser.experiments.heads.frames.compiled_reading import read_compiled

            return [
                read_compiled(term, own, ids, self.reads_compiled)
                for term, own in zip(self.terms, self.scaling, strict=True)
            ]
        return batches_of(self.terms, self.scaling, ids)

    def in_batches(self, ids: Sequence[str]) -> Iterator[list[FrameBatch]]:
        """Yield a part's frames, a few utterances at a time, in order."""
        for few in in_pieces(self.terms, ids):
            yield self.read(few)


def in_pieces(terms: Sequence[TermFrames], ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut a part into as many utterances as are read together where nothing is trained."""
    size = MEANS_AT_ONCE if all(term.are_means for term in terms) else AT_ONCE
    for first in range(0, len(ids), size):
        yield ids[first : first + size]


def batches_of(
    terms: Sequence[TermFrames], scaling: Sequence[FrameScaling], ids: Sequence[str]
) -> list[FrameBatch]:
    """Read utterances, and standardise their frames, by term."""
    return [own.apply(term.read(ids)) for term, own in zip(terms, scaling, strict=True)]


def frame_fold(data: TrainingData, number: int, *, with_dev: bool = False) -> FrameFold:
    """Return a fold; where dev is trained on, too, it has no dev part."""
    ids = data.fitted_ids(number, with_dev=with_dev)
    dev_ids = () if with_dev else tuple(data.splits[number].dev)
    task, loss = data.task, LOSSES[data.task.loss]
    known, truth = data.targets(ids), data.targets(dev_ids)
    scale = task.target_scale(known.to_numpy())
    target = loss.encode(known, data.classes, scale)
    importance = None
    if scale is None:
        weights = loss.importance(target, len(data.classes), is_balanced=data.grid.class_weights)
        importance = torch.from_numpy(weights)
    return FrameFold(
        number=data.first_fold + number,
        terms=data.frames,
        scaling=tuple(term.scaling(ids) for term in data.frames),
        train=Part(tuple(ids), torch.from_numpy(target)),
        dev=Part(dev_ids, torch.from_numpy(loss.encode(truth, data.classes, scale))),
        dev_truth=truth.to_numpy(dtype=object if task.loss == "cross-entropy" else np.float64),
        dev_half=halves_of(dev_ids, task.strata(truth)),
        importance=importance,
        target_scale=scale,
        loss=loss,
    )


def dev_sums(
    fold: FrameFold, task: Task, outputs: Shaped[np.ndarray, "..."], classes: Sequence[str]
) -> np.ndarray:
    """Return what a model's score on dev is made of, for each half, [2, ...]."""
    if fold.target_scale is not None:
        outputs = fold.target_scale.undo(outputs)
    guess = task.decide(outputs, classes)
    return np.stack(
        [
            task.sums(fold.dev_truth[fold.dev_half == half], guess[fold.dev_half == half], classes)
            for half in (0, 1)
        ]
    )
