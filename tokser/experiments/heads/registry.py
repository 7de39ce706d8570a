"""Every head by its name in settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tokser.config.head_grid import grid_of
from tokser.config.values import CLASS_NAME
from tokser.errors import SettingsError
from tokser.experiments.heads.attentive import TrainedAttentive
from tokser.experiments.heads.cross_attention import TrainedCrossAttention
from tokser.experiments.heads.emobox import TrainedEmoBox
from tokser.experiments.heads.foreign import ForeignHead
from tokser.experiments.heads.frames.head import FrameHead
from tokser.experiments.heads.head import Head
from tokser.experiments.heads.logreg import LogisticHead, TrainedLogistic
from tokser.experiments.heads.logreg_targets import TrainedPerClassLogistic
from tokser.experiments.heads.mean_std import TrainedMeanStd
from tokser.experiments.heads.mlp.head import MLPHead
from tokser.experiments.heads.mlp.trained import TrainedMLP
from tokser.experiments.heads.ridge import RidgeHead, TrainedRidge
from tokser.experiments.heads.sklearn_mlp import SklearnMLPHead, TrainedSklearnMLP
from tokser.experiments.heads.superb import TrainedSuperb
from tokser.experiments.heads.svm import SVMHead, TrainedSVM
from tokser.experiments.heads.trained_estimator import TrainedEstimator
from tokser.experiments.heads.trained_foreign import TrainedForeign
from tokser.experiments.heads.trained_head import TrainedHead
from tokser.experiments.heads.transformer import TrainedTransformer
from tokser.experiments.task import Loss, Task

__all__ = ["HEADS", "TRAINED_HEADS", "find_head", "restore_head"]

HEADS: dict[str, Head] = {
    "mlp": MLPHead(),
    "linear": MLPHead(hidden=()),
    "logreg": LogisticHead(),
    "svm": SVMHead(),
    "ridge": RidgeHead(),
    "mlp-sklearn": SklearnMLPHead(),
    "superb": FrameHead(TrainedSuperb),
    "emobox": FrameHead(TrainedEmoBox),
    "attentive": FrameHead(TrainedAttentive),
    "transformer": FrameHead(TrainedTransformer),
    "cross-attention": FrameHead(TrainedCrossAttention),
}

_IN_WORDS: dict[Loss, str] = {
    "cross-entropy": "cross-entropy",
    "cross-entropy on shares": "cross-entropy on shares",
    "binary cross-entropy": "binary cross-entropy of each class",
    "squared error": "the squared error",
    "concordance": "1 - CCC",
}

TRAINED_HEADS: dict[str, type[TrainedHead]] = {
    kept.kind: kept
    for kept in (
        *(TrainedMLP, TrainedLogistic, TrainedSVM, TrainedRidge, TrainedSklearnMLP),
        *(TrainedSuperb, TrainedEmoBox, TrainedAttentive, TrainedTransformer, TrainedMeanStd),
        *(TrainedCrossAttention, TrainedPerClassLogistic, TrainedForeign),
    )
}
"""What heads are kept as, by kind."""


def restore_head(
    kind: str,
    description: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    trusted: Sequence[str] = (),
) -> TrainedHead:
    """Make a trained head of what was kept of it.

    Args:
        kind: Key of `TRAINED_HEADS`.
        description: As `TrainedHead.description` returned it.
        arrays: As `TrainedHead.arrays` returned them.
        trusted: Types of an estimator that is not tokser's own, beside those of scikit-learn.

    Raises:
        LookupError: There is no such kind, or something is missing.
        ValueError, TypeError: Description and arrays do not fit each other.
    """
    found = TRAINED_HEADS[kind]
    if issubclass(found, TrainedEstimator):
        return found.restored(description, arrays, trusted)
    return found.restored(description, arrays)


def find_head(name: str, task: Task, head_grid: Mapping[str, Any] | None = None) -> Head:
    """Return a head that a task can train.

    Args:
        name: Key of `HEADS`, or a class of another package, `package.module:Class`.
        task: What is predicted.
        head_grid: Grid of such a class.

    Raises:
        MissingPackageError: The class's package cannot be imported.
        SettingsError: There is none of that name, or it minimises another loss.
    """
    if CLASS_NAME.fullmatch(name) and task.loss in ForeignHead.known_losses:
        return ForeignHead(name, task, grid_of(name, head_grid or {}))
    fitting = [known for known, head in HEADS.items() if task.loss in head.losses]
    if name not in fitting:
        raise SettingsError(
            f"tokser {task.tables.command}",
            expected=f"a head for {task.tables.task}: {', '.join(fitting)} (they minimise "
            f"{_IN_WORDS[task.loss]})",
            got=repr(name),
            remedy="Name one of these.",
        )
    return HEADS[name]
