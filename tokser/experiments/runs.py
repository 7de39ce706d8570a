"""What is trained, scored and kept together, and how it goes on where it was stopped."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from tokser.errors import DamagedFileError
from tokser.experiments.feature_expressions import Early
from tokser.experiments.search import Found
from tokser.experiments.splits.files import SplitPlan
from tokser.progress import progress_bar, say
from tokser.provenance import digest_of, first_spelling
from tokser.sealed import SealedFolder

__all__ = ["Unit", "parquet_bytes", "plan_units", "read_unit", "run_units"]


Key = TypeVar("Key", bound=tuple[Any, ...])
"""What tells a unit from others."""


class Unit(NamedTuple):
    """One sum of features under one protocol, by one classifier, with one seed."""

    features: str
    protocol: str
    classifier: str
    seed: int


def plan_units(
    trained: Sequence[Early],
    plans: dict[str, SplitPlan],
    methods: Sequence[str],
    seeds: Sequence[int],
    *,
    draws: Callable[[str], bool],
) -> Iterator[Unit]:
    """Yield the units of an experiment.

    A method that draws nothing, under splits that follow no seed, is run for the first seed alone.

    Args:
        trained: The sums of features.
        plans: Splits by protocol.
        methods: Classifiers or regressors.
        seeds: The seeds that are asked for.
        draws: Whether a method's result depends on the seed.
    """
    for features in trained:
        for protocol, plan in plans.items():
            for method in dict.fromkeys(methods):
                needed = seeds if plan.follows_seed or draws(method) else seeds[:1]
                for seed in needed:
                    yield Unit(str(features), protocol, method, seed)


def run_units(
    units: Sequence[Key],
    out: Path,
    label: str,
    count: Callable[[Key], int],
    run: Callable[[Key, Callable[[int], None]], Found],
) -> None:
    """Run what is not in `parts/` yet, or is damaged there, with a bar that counts models."""
    sealed = SealedFolder(out)
    pending = _pending(units, sealed)
    if not pending:
        return
    with progress_bar(label, total=sum(map(count, pending)), unit="models") as bar:
        for unit in pending:
            found = run(unit, bar.advance)
            tables = (found.predictions, found.trials)
            contents = map(parquet_bytes, tables)
            sealed.put(dict(zip(_part_files(unit), contents, strict=True)))


def _pending(units: Sequence[Key], sealed: SealedFolder) -> list[Key]:
    """Return the units without whole files, and tell which files are damaged."""
    try:
        listed = set(sealed.listed())
    except DamagedFileError:
        return list(units)
    faults = sealed.faults(name for unit in units for name in _part_files(unit) if name in listed)
    for name, fault in faults.items():
        say(f"{sealed.folder / name} {fault}: what it holds is trained again")
    whole = listed - faults.keys()
    return [unit for unit in units if not whole.issuperset(_part_files(unit))]


def read_unit(unit: tuple[Any, ...], out: Path) -> Found:
    """Read what a unit that was run has left."""
    predictions, trials = (pd.read_parquet(out / name) for name in _part_files(unit))
    return Found(predictions, trials)


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    return bytes(table.to_parquet(index=False))


def _part_files(unit: tuple[Any, ...]) -> tuple[str, str]:
    """Where predictions and trials are kept in the folder."""
    name = digest_of(first_spelling("protocols", list(unit)))[:16]
    return f"parts/{name}.parquet", f"parts/{name}.trials.parquet"
