"""What is trained, scored and kept together, and how it goes on where it was stopped."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import pandas as pd

from tokser.checksummed_folder import ChecksummedFolder
from tokser.errors import DamagedFileError
from tokser.experiments.feature_expressions import Early
from tokser.experiments.heads.head import Head
from tokser.experiments.heads.trained_head import FittedHead
from tokser.experiments.results import TaskTables
from tokser.experiments.search import SearchResult
from tokser.experiments.splits.files import SplitPlan
from tokser.experiments.task import Task
from tokser.progress import progress_bar, warn
from tokser.provenance import digest_of, first_spelling

__all__ = [
    "KeptModels",
    "RunUnits",
    "Unit",
    "one_by_one",
    "parquet_bytes",
    "part_name",
    "plan_units",
    "read_unit",
    "run_units",
    "seeds_together",
]


class Unit(NamedTuple):
    """One sum of features and one target under one protocol, by one head, with one seed."""

    features: str
    protocol: str
    target: str
    head: str
    seed: int

    def named(self, tables: TaskTables) -> dict[str, Any]:
        """Return the columns that tell it from others in the tables of its task, in order."""
        columns = {
            "features": self.features,
            "protocol": self.protocol,
            "target": self.target,
            tables.head: self.head,
            "seed": self.seed,
        }
        return {name: columns[name] for name in tables.unit}


@runtime_checkable
class KeptModels(Protocol):
    """What keeps the models of folds in the folder of an experiment."""

    def files(self, unit: Unit) -> list[str]:
        """Return the names of the files that a unit's models lie in."""

    def keep(self, unit: Unit, fitted: Mapping[str, FittedHead]) -> None:
        """Write the models of a unit, by fold."""


OnModels = Callable[[int], None]
RunUnits = Callable[[Sequence[Unit], OnModels], Sequence[SearchResult]]
"""Trains and tests units that train together; reports models as they get done."""


def one_by_one(run: Callable[[Unit, OnModels], SearchResult]) -> RunUnits:
    """Return what runs units one after the other."""
    return lambda units, on_models: [run(unit, on_models) for unit in units]


def plan_units(
    trained: Sequence[Early],
    plans: Mapping[str, SplitPlan],
    task: Task,
    heads: Mapping[str, Head],
    seeds: Sequence[int],
) -> Iterator[Unit]:
    """Yield the units of an experiment.

    A head that draws nothing, under splits that follow no seed, is run for the first seed alone.

    Args:
        trained: The sums of features.
        plans: Splits by protocol.
        task: Its targets.
        heads: By name.
        seeds: The seeds that are asked for.
    """
    for features in trained:
        for protocol, plan in plans.items():
            for target in task.targets:
                for name, head in heads.items():
                    needed = seeds if plan.follows_seed or head.is_random else seeds[:1]
                    for seed in needed:
                        yield Unit(str(features), protocol, target, name, seed)


def seeds_together(units: Iterable[Unit], share: Callable[[Unit], bool]) -> list[tuple[Unit, ...]]:
    """Put units together that differ in their seeds alone; each of the others is by itself.

    Args:
        units: In the order of `plan_units`.
        share: Tells whether a unit's seeds train together.
    """
    found: dict[tuple[Any, ...], list[Unit]] = {}
    for unit in units:
        found.setdefault(unit[:-1] if share(unit) else unit, []).append(unit)
    return [tuple(own) for own in found.values()]


def run_units(
    units: Sequence[Sequence[Unit]],
    tables: TaskTables,
    out: Path,
    label: str,
    count: Callable[[Unit], int],
    run: RunUnits,
    models: "KeptModels | None" = None,
    *,
    with_dev: bool = False,
) -> None:
    """Run what is not in `parts/` yet, or is damaged there, with a bar that counts models.

    Units that train together are all run again where one of them is missing: so each gets the same
    bits again.

    Args:
        units: All units, those that train together side by side.
        tables: Of the task.
        out: The output folder.
        label: Of the bar.
        count: Returns how many models a unit trains.
        run: Trains and tests units that train together.
        models: Keeps the models of folds; None: nobody does.
        with_dev: Whether predictions of dev parts are kept, too.
    """
    checksummed = ChecksummedFolder(out)
    every = [one for own in units for one in own]
    missing = set(_pending(every, tables, checksummed, models, with_dev=with_dev))
    pending = [own for own in units if not missing.isdisjoint(own)]
    if not pending:
        return
    total = sum(count(one) for own in pending for one in own)
    with progress_bar(label, total=total, unit="models") as bar:
        for together in pending:
            files: dict[str, bytes] = {}
            for unit, result in zip(together, run(together, bar.advance), strict=True):
                if models is not None:
                    models.keep(unit, result.models)
                kept = (result.predictions, result.trials, result.dev)
                contents = [parquet_bytes(table) for table in kept if table is not None]
                names = _part_files(unit, tables, with_dev=with_dev)
                files |= zip(names, contents, strict=True)
            checksummed.put(files)


def _pending(
    units: Sequence[Unit],
    tables: TaskTables,
    checksummed: ChecksummedFolder,
    models: "KeptModels | None",
    *,
    with_dev: bool,
) -> list[Unit]:
    """Return the units without whole files, and tell which files are damaged."""
    try:
        listed = set(checksummed.listed())
    except DamagedFileError:
        return list(units)

    def files(unit: Unit) -> list[str]:
        own = _part_files(unit, tables, with_dev=with_dev)
        return [*own, *(models.files(unit) if models else ())]

    names = [name for unit in units for name in files(unit) if name in listed]
    faults = checksummed.faults(names)
    for name, fault in faults.items():
        warn(f"{checksummed.folder / name} {fault}: what it holds is trained again")
    whole = listed - faults.keys()
    return [unit for unit in units if not whole.issuperset(files(unit))]


def read_unit(unit: Unit, tables: TaskTables, out: Path, *, with_dev: bool = False) -> SearchResult:
    """Read what a unit that was run has left."""
    files = _part_files(unit, tables, with_dev=with_dev)
    predictions, trials, *dev = (pd.read_parquet(out / name) for name in files)
    return SearchResult(predictions, trials, dev=dev[0] if dev else None)


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    return bytes(table.to_parquet(index=False))


def _part_files(unit: Unit, tables: TaskTables, *, with_dev: bool) -> tuple[str, ...]:
    """Where predictions, trials, and predictions of dev parts are kept in the folder."""
    name = part_name(unit, tables)
    dev = (f"parts/{name}.dev.parquet",) if with_dev else ()
    return f"parts/{name}.parquet", f"parts/{name}.trials.parquet", *dev


def part_name(unit: Unit, tables: TaskTables) -> str:
    """Return what the files of a unit are called in the folder."""
    key = unit.named(tables)
    key["protocol"] = first_spelling("protocols", unit.protocol)
    return digest_of(list(key.values()))[:16]
