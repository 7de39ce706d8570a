"""The folds of a matrix of corpora: within each, from each to each, from all others to each."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import pandas as pd

from tokser.errors import InputError
from tokser.experiments.joined_store import CORPUS
from tokser.experiments.splits.dev_part import draw_dev
from tokser.experiments.splits.files import SplitPlan
from tokser.experiments.splits.protocols import Split, make_splits
from tokser.experiments.task import Task
from tokser.progress import warn

__all__ = ["Cell", "CellKind", "plan_matrix"]

CellKind = Literal["within", "across", "others"]
"""Train and test of one corpus; of two; train of all the others."""
_LEAST_FOR_OTHERS = 3
"""Corpora from which on all others are more than one."""


class Cell(NamedTuple):
    """One cell of the matrix.

    Attributes:
        protocol: What it is called in tables, for instance `emodb-to-nemo`.
        train: The corpora that are trained on.
        test: The corpus that is tested.
        kind: What they are to each other.
    """

    protocol: str
    train: tuple[str, ...]
    test: str
    kind: CellKind


def plan_matrix(
    utterances: pd.DataFrame, task: Task, seeds: Sequence[int]
) -> tuple[dict[str, SplitPlan], list[Cell]]:
    """Plan every cell.

    Within a corpus: the protocol `speaker`. Across: about 20 % of each training corpus, whole
    speakers, is dev, and all of the other corpus is test; nothing of it is in dev.

    Args:
        utterances: Columns `corpus`, `label`, `speaker`, `session`; index = id.
        task: What is predicted.
        seeds: Each draws other speakers for dev.

    Returns:
        Folds by protocol, and the cells. A corpus whose speakers are unknown, or fewer than three,
        is not scored within; a warning says so.
    """
    corpora = [str(name) for name in utterances[CORPUS].unique()]
    parts = {name: utterances[utterances[CORPUS].eq(name)] for name in corpora}
    plans: dict[str, SplitPlan] = {}
    cells: list[Cell] = []
    for test in corpora:
        within = _within(test, parts[test], task, seeds[0])
        if within is not None:
            cells.append(Cell(f"within-{test}", (test,), test, "within"))
            plans[cells[-1].protocol] = within
        others = tuple(name for name in corpora if name != test)
        for train in others:
            cells.append(Cell(f"{train}-to-{test}", (train,), test, "across"))
        if len(corpora) >= _LEAST_FOR_OTHERS:
            cells.append(Cell(f"others-to-{test}", others, test, "others"))
    for cell in cells:
        if cell.kind != "within":
            plans[cell.protocol] = SplitPlan({s: (_across(cell, parts, s),) for s in seeds})
    return {cell.protocol: plans[cell.protocol] for cell in cells}, cells


def _within(corpus: str, table: pd.DataFrame, task: Task, seed: int) -> SplitPlan | None:
    try:
        return SplitPlan({None: tuple(make_splits("speaker", table, seed=seed, task=task))})
    except InputError as error:
        warn(
            f"{corpus} is not scored within itself: its speakers cannot be left out in turn "
            f"({error.got}). Its cell of the matrix stays empty."
        )
        return None


def _across(cell: Cell, parts: dict[str, pd.DataFrame], seed: int) -> Split:
    """Return the fold of one cell: dev from each training corpus, test the whole other one."""
    train: list[str] = []
    dev: list[str] = []
    drawn = set()
    for name in cell.train:
        own = Split(name, tuple(parts[name].index), (), ())
        part = draw_dev(own, parts[name], seed=seed)
        train += part.train
        dev += part.dev
        drawn.add(part.dev_drawn)
    how = "random" if "random" in drawn else "speaker"
    test = tuple(sorted(parts[cell.test].index))
    return Split(cell.test, tuple(sorted(train)), tuple(sorted(dev)), test, how)
