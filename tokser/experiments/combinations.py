"""What is made of several heads, fold by fold: averages (late fusion), and choices by dev."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tokser.experiments.dataset import Dataset
from tokser.experiments.feature_expressions import How, Late
from tokser.experiments.ledger import Ledger
from tokser.experiments.splits.protocols import Split
from tokser.experiments.task import Task
from tokser.experiments.units import Unit, read_unit

__all__ = ["Outcome", "combine", "combined_outcomes", "plan_choices", "trained_outcomes"]


@dataclass(frozen=True)
class Outcome:
    """What one unit predicted for its test parts.

    Attributes:
        unit: Features, protocol, target, head, seed.
        predictions: Columns fold, id, and those of the task.
        trials: The points of its grid; none for what is made of others.
        dev_score: Cross-fitted score on dev of what was selected, by fold; none for averages.
        selected: The member that dev chose, by fold.
        num_candidates: How many members it was chosen among; 1 where nothing was.
        how: How it was made of others; None of what was trained.
        members: The others.
        dev: Predictions of the dev parts, in the same columns; None where they were not kept.
    """

    unit: Unit
    predictions: pd.DataFrame
    trials: pd.DataFrame | None = None
    dev_score: Mapping[str, float] = field(default_factory=dict)
    selected: Mapping[str, Unit] = field(default_factory=dict)
    num_candidates: int = 1
    how: How | None = None
    members: Sequence[Unit] = ()
    dev: pd.DataFrame | None = None


def trained_outcomes(
    units: Sequence[Unit], task: Task, out: Path, *, with_dev: bool = False
) -> list[Outcome]:
    """Read what the units left, the predictions of dev parts only where they are asked for."""
    column = f"dev_{task.tables.metric}_crossfit"
    outcomes = []
    for unit in units:
        result = read_unit(unit, task.tables, out, with_dev=with_dev)
        made = (result.predictions, result.trials, result.on_dev(column))
        outcomes.append(Outcome(unit, *made, dev=result.dev))
    return outcomes


def combined_outcomes(
    dataset: Dataset, trained: Sequence[Outcome], ledger: Ledger, name: str
) -> list[Outcome]:
    """Make the late fusions, and the choices by dev, out of what was trained.

    With several heads, averages are over all of them, too, and choices are made among them: of the
    same features, of the layers of an encoder, and of everything that was trained.

    Args:
        dataset: Its expressions, splits and task.
        trained: Everything that was trained.
        ledger: Where the evaluations of test parts are written down.
        name: Of the corpus.
    """
    by_unit = {outcome.unit: outcome for outcome in trained}
    settings = dict.fromkeys(outcome.unit[1:] for outcome in trained)
    combined: list[tuple[How, Unit, list[Unit]]] = [
        (late.how, Unit(str(late), *setting), [Unit(str(m), *setting) for m in late.members])
        for late in dataset.combined
        for setting in settings
    ]
    combined += _averages_over_heads(dataset, list(by_unit))
    combined += [("best", *choice) for choice in plan_choices(dataset, list(by_unit))]
    outcomes = []
    for how, unit, members in combined:
        folds = dataset.plans[unit.protocol].folds(unit.seed)
        known = [by_unit[member] for member in members]
        outcomes.append(_combined(how, unit, known, folds, dataset.task, ledger, name))
    return outcomes


def plan_choices(dataset: Dataset, trained: Sequence[Unit]) -> Iterator[tuple[Unit, list[Unit]]]:
    """Yield each choice by dev with its members, beside those that the expressions ask for.

    With several heads: among them, for each `best(...)` and for what is in none of these. With
    several feature sets: among everything that was trained.

    Args:
        dataset: Its expressions.
        trained: Everything that was trained.
    """
    heads = list(dict.fromkeys(unit.head for unit in trained))
    expressed = {str(late) for late in dataset.combined}
    candidates = _feature_sets(dataset)
    for (target, protocol, seed), known in _by_run(trained):
        for features, members in candidates.items():
            if len(heads) > 1:
                head = f"best({', '.join(heads)})"
            elif len(members) > 1 and features not in expressed:
                head = heads[0]
            else:
                continue
            units = [known[member, name] for member in members for name in heads]
            yield Unit(features, protocol, target, head, seed), units


def _averages_over_heads(
    dataset: Dataset, trained: Sequence[Unit]
) -> Iterator[tuple[How, Unit, list[Unit]]]:
    """Yield each average of an expression over all of its members and all heads."""
    heads = list(dict.fromkeys(unit.head for unit in trained))
    for late in dataset.combined:
        if late.how == "best" or len(heads) < 2:
            continue
        for (target, protocol, seed), known in _by_run(trained):
            units = [known[str(member), name] for member in late.members for name in heads]
            head = f"{late.how}({', '.join(heads)})"
            yield late.how, Unit(str(late), protocol, target, head, seed), units


def _by_run(
    trained: Sequence[Unit],
) -> Iterator[tuple[tuple[str, str, int], dict[tuple[str, str], Unit]]]:
    """Yield target, protocol and seed with what stands for them, by features and head."""
    runs: dict[tuple[str, str, int], list[Unit]] = {}
    for target in dict.fromkeys(unit.target for unit in trained):
        for unit in trained:
            if unit.target == target:
                runs.setdefault((target, unit.protocol, unit.seed), []).append(unit)
    first = min(unit.seed for unit in trained)
    for (target, protocol, seed), own in runs.items():
        # What draws nothing was run for the first seed alone, and stands for all of them.
        known = {(u.features, u.head): u for u in [*runs[target, protocol, first], *own]}
        yield (target, protocol, seed), known


def combine(
    task: Task, how: How, members: Sequence[pd.DataFrame], dev_scores: Sequence[float]
) -> tuple[pd.DataFrame, int | None]:
    """Make one table of predictions out of those of a late expression's members, in one fold.

    Args:
        task: How predictions are averaged.
        how: The form.
        members: Tables of predictions.
        dev_scores: Of each member on the fold's dev part.

    Returns:
        The predictions, and the member that was chosen, if one was.
    """
    if how == "best":
        best = int(np.argmax(dev_scores))
        return members[best], best
    return task.average(members, dev_scores if how == "weighted" else None), None


def _feature_sets(dataset: Dataset) -> dict[str, list[str]]:
    """Return what is chosen among, by the name of the choice."""
    choices = [late for late in dataset.combined if late.how == "best"]
    sets = {str(late): list(map(str, late.members)) for late in choices}
    covered = {member for members in sets.values() for member in members}
    names = list(map(str, dataset.trained))
    sets |= {name: [name] for name in names if name not in covered}
    if len(names) > 1:
        sets.setdefault(str(Late("best", dataset.trained)), names)
    return sets


def _combined(
    how: How,
    unit: Unit,
    members: Sequence[Outcome],
    folds: Sequence[Split],
    task: Task,
    ledger: Ledger,
    name: str,
) -> Outcome:
    tables, of_dev, dev_score, selected, evaluated = [], [], {}, {}, []
    of_unit = unit.named(task.tables)
    dev = [member.dev for member in members if member.dev is not None]
    for split in folds:
        on_dev = [member.dev_score[split.fold] for member in members]
        table, number = combine(
            task, how, _of_fold([m.predictions for m in members], split), on_dev
        )
        if dev and split.dev:
            of_dev.append(combine(task, how, _of_fold(dev, split), on_dev)[0])
        params: dict[str, Any] = {f"dev_{task.tables.metric}": on_dev}
        if number is not None:
            dev_score[split.fold] = on_dev[number]
            selected[split.fold] = members[number].unit
            params = {
                "chosen": selected[split.fold].features,
                f"chosen_{task.tables.head}": selected[split.fold].head,
            }
        evaluated.append((split, {"dataset": name, **of_unit, "configuration": params}))
        tables.append(table)
    ledger.record_all(evaluated)
    predictions = pd.concat(tables, ignore_index=True)
    num_candidates = len(members) if how == "best" else 1
    names = [member.unit for member in members]
    kept = pd.concat([*of_dev, predictions.iloc[:0]], ignore_index=True) if dev else None
    made = (dev_score, selected, num_candidates, how, names)
    return Outcome(unit, predictions, None, *made, dev=kept)


def _of_fold(tables: Sequence[pd.DataFrame], split: Split) -> list[pd.DataFrame]:
    return [table[table["fold"] == split.fold] for table in tables]
