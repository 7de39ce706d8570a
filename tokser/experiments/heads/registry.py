"""Every head by its name in settings; its file is imported when it is asked for.

torch takes seconds to import, and logistic regression does without.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

import numpy as np

from tokser.config.head_grid import grid_of
from tokser.config.values import CLASS_NAME
from tokser.errors import SettingsError
from tokser.experiments.heads.head import Head
from tokser.experiments.heads.trained_head import TrainedHead
from tokser.experiments.task import Loss, Task

__all__ = ["HEADS", "TRAINED_HEADS", "find_head", "restore_head"]

_Entry = TypeVar("_Entry")


class _Lazy(Mapping[str, _Entry]):
    """What is made when it is asked for, by name."""

    def __init__(self, makers: Mapping[str, Callable[[], _Entry]]) -> None:
        self._makers = makers
        self._made: dict[str, _Entry] = {}

    def __getitem__(self, name: str) -> _Entry:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._makers  # a Mapping would make the entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def _named(place: str) -> Any:
    """Return what `file:Name` says, of this package."""
    file, name = place.split(":")
    return getattr(import_module(f"tokser.experiments.heads.{file}"), name)


def _head(place: str, **options: Any) -> Callable[[], Head]:
    return lambda: _named(place)(**options)


def _over_frames(place: str) -> Callable[[], Head]:
    return lambda: _named("frames.head:FrameHead")(_named(place))


HEADS: Mapping[str, Head] = _Lazy(
    {
        "mlp": _head("mlp.head:MLPHead"),
        "linear": _head("mlp.head:MLPHead", hidden=()),
        "logreg": _head("logreg:LogisticHead"),
        "svm": _head("svm:SVMHead"),
        "ridge": _head("ridge:RidgeHead"),
        "mlp-sklearn": _head("sklearn_mlp:SklearnMLPHead"),
        "superb": _over_frames("superb:TrainedSuperb"),
        "emobox": _over_frames("emobox:TrainedEmoBox"),
        "attentive": _over_frames("attentive:TrainedAttentive"),
        "transformer": _over_frames("transformer:TrainedTransformer"),
        "cross-attention": _over_frames("cross_attention:TrainedCrossAttention"),
    }
)

_IN_WORDS: dict[Loss, str] = {
    "cross-entropy": "cross-entropy",
    "cross-entropy on shares": "cross-entropy on shares",
    "binary cross-entropy": "binary cross-entropy of each class",
    "squared error": "the squared error",
    "concordance": "1 - CCC",
}

_KEPT_AS = {
    "mlp": "mlp.trained:TrainedMLP",
    "logreg": "logreg:TrainedLogistic",
    "svm": "svm:TrainedSVM",
    "ridge": "ridge:TrainedRidge",
    "mlp-sklearn": "sklearn_mlp:TrainedSklearnMLP",
    "superb": "superb:TrainedSuperb",
    "emobox": "emobox:TrainedEmoBox",
    "attentive": "attentive:TrainedAttentive",
    "transformer": "transformer:TrainedTransformer",
    "mean-std": "mean_std:TrainedMeanStd",
    "cross-attention": "cross_attention:TrainedCrossAttention",
    "logreg-per-class": "logreg_targets:TrainedPerClassLogistic",
    "skops": "trained_foreign:TrainedForeign",
}
TRAINED_HEADS: Mapping[str, type[TrainedHead]] = _Lazy(
    {kind: partial(_named, place) for kind, place in _KEPT_AS.items()}
)
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
    from tokser.experiments.heads.trained_estimator import TrainedEstimator

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
    if CLASS_NAME.fullmatch(name):
        from tokser.experiments.heads.foreign import ForeignHead

        if task.loss in ForeignHead.known_losses:
            return ForeignHead(name, task, grid_of(name, head_grid or {}))
    if name in HEADS and task.loss in HEADS[name].losses:
        return HEADS[name]
    fitting = [known for known, head in HEADS.items() if task.loss in head.losses]
    raise SettingsError(
        f"tokser {task.tables.command}",
        expected=f"a head for {task.tables.task}: {', '.join(fitting)} (they minimise "
        f"{_IN_WORDS[task.loss]})",
        got=repr(name),
        remedy="Name one of these.",
    )
