"""What the models of a search are trained on: layers, folds and points, as numbers."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64

from tokser.config import GridSettings
from tokser.experiments.grid import Fold, Point, grid_points
from tokser.experiments.splits.protocols import Split
from tokser.experiments.statistics.crossfit import halves_of
from tokser.functionals.standardise import Standardiser, fit_by_id

__all__ = ["Material", "Member"]


class Member(NamedTuple):
    """A model: the positions of its table (a layer), its split and its point."""

    table: int
    fold: int
    point: int


@dataclass(frozen=True)
class Material:
    """What models are trained on.

    Attributes:
        tables: Functionals of each layer, [utterances, features]; index = id.
        roundings: How far rounding may have moved those of each layer, see `Standardiser.fit`.
        labels: Emotion of each utterance, index = id.
        splits: The folds.
        grid: Points and training.
        seed: Of weights and order.
        device: Where it runs.
    """

    tables: Sequence[pd.DataFrame]
    roundings: Sequence[pd.DataFrame | None]
    labels: "pd.Series[str]"
    splits: Sequence[Split]
    grid: GridSettings
    seed: int
    device: torch.device

    @functools.cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; a class's number is its position."""
        return tuple(sorted(self.labels.unique()))

    @functools.cached_property
    def points(self) -> list[Point]:
        """The grid's points."""
        return grid_points(self.grid)

    def scaling(self, table: int, fold: int, *, with_dev: bool = False) -> Standardiser:
        """Return what a fold is standardised by: its train, or train and dev together."""
        split = self.splits[fold]
        ids = (*split.train, *split.dev) if with_dev else split.train
        return fit_by_id(self.tables[table], self.roundings[table], ids)

    def rows(self, table: int, ids: Sequence[str]) -> np.ndarray:
        """Return functionals by id, [ids, features]."""
        return np.asarray(self.tables[table].loc[list(ids)].to_numpy())

    def fold(self, table: int, fold: int, *, with_dev: bool = False) -> Fold:
        """Return a fold as numbers; where dev is trained on, too, it has no dev part."""
        split, scaling = self.splits[fold], self.scaling(table, fold, with_dev=with_dev)
        if with_dev:
            split = replace(split, train=(*split.train, *split.dev), dev=())
        train, dev = (scaling.apply(self.rows(table, ids)) for ids in (split.train, split.dev))
        half = halves_of(split.dev, self.labels.loc[list(split.dev)].tolist())
        return Fold(fold, train, self._numbers(split.train), dev, self._numbers(split.dev), half)

    def part(self, members: Iterable[Member]) -> "Material":
        """Return what some models need: other tables are left without rows."""
        needed = {member.table for member in members}

        def cut(table: pd.DataFrame, number: int) -> pd.DataFrame:
            return table if number in needed else table.iloc[:0]

        tables = [cut(table, number) for number, table in enumerate(self.tables)]
        roundings = [
            None if rounding is None else cut(rounding, number)
            for number, rounding in enumerate(self.roundings)
        ]
        return replace(self, tables=tables, roundings=roundings)

    def _numbers(self, ids: Sequence[str]) -> Int64[np.ndarray, " ids"]:
        numbers = {name: number for number, name in enumerate(self.classes)}
        return np.array([numbers[label] for label in self.labels.loc[list(ids)]], dtype=np.int64)
