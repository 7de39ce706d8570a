"""What a head is trained on: one feature set, one target, the folds and the grid, by id."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tokser.config import FrameHeadSettings, GridSettings
from tokser.experiments.grid import Point, grid_points
from tokser.experiments.splits.protocols import Split
from tokser.experiments.task import Known, Task
from tokser.functionals.rows_by_id import RowsById
from tokser.functionals.standardise import Standardiser
from tokser.functionals.sums import SumsOfParts

if TYPE_CHECKING:
    from tokser.experiments.frames import TermFrames
else:
    TermFrames = Any  # its module imports torch

__all__ = ["TrainingData"]


@dataclass(frozen=True)
class TrainingData:
    """What models are trained on.

    Attributes:
        task: What is predicted.
        functionals: [utterances, features]; index = id. Without columns for heads over frames.
        target: Label or number of each utterance, or a column for each class; index = id.
        splits: The folds.
        grid: Points and training.
        seed: Of weights and order.
        device: Where networks are trained: `cpu`, `cuda:0`...
        first_fold: Number of the first of these folds in its protocol: it seeds weights and order.
        rounding: How far rounding may have moved functionals, see `Standardiser.fit`.
        frames: What heads over frames read, by term; none for those on functionals.
        frame_heads: Options of heads over frames.
        name: Of these folds, for what is kept of each.
    """

    task: Task
    functionals: pd.DataFrame
    target: Known
    splits: Sequence[Split]
    grid: GridSettings
    seed: int
    device: str = "cpu"
    rounding: pd.DataFrame | None = None
    frames: tuple[TermFrames, ...] = ()
    frame_heads: FrameHeadSettings = field(default_factory=FrameHeadSettings)
    name: str = ""
    first_fold: int = 0

    @functools.cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; a class's number is its position. None for numbers."""
        return self.task.classes(self.target)

    @functools.cached_property
    def points(self) -> list[Point]:
        """The grid's points."""
        return grid_points(self.grid)

    def fitted_ids(self, fold: int, *, with_dev: bool = False) -> tuple[str, ...]:
        """Return what a fold is trained on: its train part, or train and dev together."""
        split = self.splits[fold]
        return (*split.train, *split.dev) if with_dev else split.train

    def scaling(self, ids: Sequence[str]) -> Standardiser:
        """Return what a training part standardises functionals by; each part is measured once."""
        key = tuple(ids)
        if key not in self._scalings:
            number = self._fitted_parts.get(key)
            if number is None:
                errors = None if self._errors is None else self._errors.of(key)
                found = Standardiser.fit(self._values.of(key), errors)
            else:
                found = Standardiser.of(self._sums.of(number))
            self._scalings[key] = found
        return self._scalings[key]

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """Return functionals by id, [ids, features]."""
        return self._values.of(ids)

    def targets(self, ids: Sequence[str]) -> Known:
        """Return targets by id, not to be changed; each part is looked up once."""
        key = tuple(ids)
        if key not in self._known:
            self._known[key] = self.target.take([self._places[name] for name in key])
        return self._known[key]

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        return {str(name): place for place, name in enumerate(self.target.index)}

    @functools.cached_property
    def _values(self) -> RowsById:
        return RowsById(self.functionals)

    @functools.cached_property
    def _errors(self) -> RowsById | None:
        return None if self.rounding is None else RowsById(self.rounding)

    @functools.cached_property
    def _fitted_parts(self) -> dict[tuple[str, ...], int]:
        """Numbers of the parts that folds are fitted on, by their ids."""
        folds = range(len(self.splits))
        parts = [tuple(self.fitted_ids(f, with_dev=more)) for f in folds for more in (False, True)]
        return {ids: number for number, ids in enumerate(dict.fromkeys(parts))}

    @functools.cached_property
    def _sums(self) -> SumsOfParts:
        places = [self._values.places(ids) for ids in self._fitted_parts]
        errors = None if self._errors is None else self._errors.table
        return SumsOfParts(self._values.table, errors, places)

    @functools.cached_property
    def _known(self) -> dict[tuple[str, ...], Known]:
        return {}

    @functools.cached_property
    def _scalings(self) -> dict[tuple[str, ...], Standardiser]:
        return {}
