"""What networks minimise, and how they are scored on dev after each epoch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Num
from torch import Tensor

from tokser.experiments.heads.losses import LOSSES, TrainingLoss, activated
from tokser.experiments.heads.mlp.fold import Fold
from tokser.experiments.statistics.crossfit import Score
from tokser.experiments.statistics.metrics import uar_from_confusion
from tokser.experiments.task import Task

__all__ = ["CLASS_LABELS", "ClassLabels", "DevSums", "Objective", "TaskObjective", "objective_of"]

DevSums = Callable[[Tensor], Num[np.ndarray, "models 2 *cells"]]
"""Takes what networks put out for dev, [models, longest dev, outputs], and sums it up by half."""


class Objective(ABC):
    """A loss, and a score.

    Attributes:
        loss: What is minimised.
        score: Makes the score of sums over utterances; the first epoch of highest score is best.
    """

    loss: TrainingLoss
    score: Score

    @abstractmethod
    def dev_sums(self, folds: Sequence[Fold], num_outputs: int, device: torch.device) -> DevSums:
        """Return what sums up the dev part of each model's fold."""


class ClassLabels(Objective):
    """Cross-entropy, and UAR: guesses are counted where the networks are."""

    loss = LOSSES["cross-entropy"]
    score = staticmethod(uar_from_confusion)

    def dev_sums(self, folds: Sequence[Fold], num_outputs: int, device: torch.device) -> DevSums:
        """Return what counts guesses by half, true and guessed class."""
        longest = max(len(fold.dev) for fold in folds)
        # Half h and class c are the label h * classes + c: one count serves both halves.
        truth = np.full((len(folds), longest), -1, dtype=np.int64)
        for row, fold in zip(truth, folds, strict=True):
            row[: len(fold.dev)] = fold.dev_half * num_outputs + fold.dev_target
        labels = torch.from_numpy(truth).to(device)
        models = torch.arange(len(folds), device=device)[:, None]
        num_cells = len(folds) * 2 * num_outputs * num_outputs

        def count(outputs: Tensor) -> np.ndarray:
            cells = (models * 2 * num_outputs + labels) * num_outputs + outputs.argmax(dim=-1)
            counts = torch.bincount(cells[labels >= 0], minlength=num_cells)
            found: np.ndarray = counts.view(-1, 2, num_outputs, num_outputs).cpu().numpy()
            return found

        return count


CLASS_LABELS = ClassLabels()


@dataclass(frozen=True)
class TaskObjective(Objective):
    """The loss of any task, and its score.

    Attributes:
        task: What is predicted.
        classes: In the order of the outputs; none for numbers.
    """

    task: Task
    classes: tuple[str, ...]

    @property
    def loss(self) -> TrainingLoss:  # type: ignore[override]
        """That of the task."""
        return LOSSES[self.task.loss]

    @property
    def score(self) -> Score:  # type: ignore[override]
        """That of the task."""
        return self.task.score

    def dev_sums(self, folds: Sequence[Fold], num_outputs: int, device: torch.device) -> DevSums:
        """Return what asks the task about the dev part of each model."""

        def sums(outputs: Tensor) -> np.ndarray:
            found = activated(outputs, self.loss.activation).cpu().numpy()
            return np.stack([self._of(f, o) for f, o in zip(folds, found, strict=True)])

        return sums

    def _of(self, fold: Fold, outputs: np.ndarray) -> np.ndarray:
        own = outputs[: len(fold.dev)]
        if fold.target_scale is not None:
            own = fold.target_scale.undo(own.astype(np.float64))
        guess, task = self.task.decide(own, self.classes), self.task
        parts = [fold.dev_half == half for half in (0, 1)]
        return np.stack([task.sums(fold.dev_target[p], guess[p], self.classes) for p in parts])


def objective_of(task: Task, classes: Sequence[str]) -> Objective:
    """Return the objective of a task."""
    if task.loss == "cross-entropy":
        return CLASS_LABELS
    return TaskObjective(task, tuple(classes))
