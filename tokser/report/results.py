"""What `tokser classify`, `regress` and `pretrain` left on disk, read and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tokser.report.parse import (
    Faults,
    parse_audit,
    parse_choices,
    parse_comparisons,
    parse_grid,
    parse_lines,
    parse_metrics,
    parse_object,
    parse_predictions,
    parse_regression,
    parse_results,
    parse_summary,
)

__all__ = ["Experiment", "Inputs", "Regression", "Results", "Run", "read_inputs", "read_scores"]

_REGRESSION = "regression.csv"


@dataclass(frozen=True)
class Experiment:
    """One output folder of `tokser classify` or `tokser regress`: what both have."""

    folder: Path
    scores: pd.DataFrame
    """One row per configuration."""
    predictions: pd.DataFrame
    """`predictions.parquet`: one row per configuration and test utterance."""
    comparisons: pd.DataFrame
    """`comparisons.csv`: one row per pair of feature sets."""
    audit: dict[str, dict[str, Any]]
    """`audit.json`: what each protocol shares between its parts."""
    provenance: dict[str, Any]
    evaluations: tuple[dict[str, Any], ...]
    """`ledger.jsonl`: one entry per test-set evaluation."""

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the command that made the folder, as far as they are told."""
        return dict(self.provenance.get("settings", {}))


@dataclass(frozen=True)
class Results(Experiment):
    """One output folder of `tokser classify`; scores are `summary.csv`, over seeds, fractions."""

    grid: pd.DataFrame
    """`grid.csv`: one row per configuration, fold and grid point."""
    choices: pd.DataFrame
    """`choices.csv`: one row per choice by dev and fold."""


@dataclass(frozen=True)
class Regression(Experiment):
    """One output folder of `tokser regress`; scores are `regression.csv`, a row for each seed."""


@dataclass(frozen=True)
class Run:
    """One output folder of `tokser pretrain`."""

    folder: Path
    metrics: pd.DataFrame
    """`metrics.csv`: one row per epoch."""
    settings: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def name(self) -> str:
        """The run's name, which is also that of the feature it aligned."""
        return self.folder.name


class Inputs(NamedTuple):
    """All folders of one report, each kind in the order given."""

    results: list[Results]
    runs: list[Run]
    regressions: list[Regression]

    @property
    def experiments(self) -> list[Experiment]:
        """Results and regressions."""
        return [*self.results, *self.regressions]


def read_inputs(experiments: Sequence[Path], runs: Sequence[Path] = ()) -> Inputs:
    """Read every folder that goes on the page.

    Args:
        experiments: Output folders of `tokser classify` and `tokser regress`.
        runs: Output folders of `tokser pretrain`.

    Raises:
        MissingInputError: Files or folders do not exist; all of them are named.
        InputError: A file is not what its name says; all such files are named.
    """
    faults = Faults()
    read = [_read_experiment(folder, faults) for folder in experiments]
    read_runs = [_read_run(folder, faults) for folder in runs]
    faults.raise_if_any()
    return Inputs(
        results=[one for one in read if isinstance(one, Results)],
        runs=[one for one in read_runs if one is not None],
        regressions=[one for one in read if isinstance(one, Regression)],
    )


def read_scores(folders: Sequence[Path]) -> list[pd.DataFrame]:
    """Read `results.csv` of every folder, and nothing else.

    Raises:
        MissingInputError: Some of the files do not exist; all of them are named.
        InputError: Some of the files are no results; all of them are named.
    """
    faults = Faults()
    tables = [
        faults.read(folder / "results.csv", f"tokser classify --out {folder}", parse_results)
        for folder in folders
    ]
    faults.raise_if_any()
    return [table for table in tables if table is not None]


def _read_experiment(folder: Path, faults: Faults) -> Experiment | None:
    regresses = (folder / _REGRESSION).exists()
    command = f"tokser {'regress' if regresses else 'classify'} --out {folder}"
    if not folder.is_dir():
        return faults.read(folder, command, _no_folder)
    keys = ("target", "regressor") if regresses else ("classifier",)
    truth = "truth" if regresses else "label"
    scores = faults.read(
        folder / (_REGRESSION if regresses else "summary.csv"),
        command,
        parse_regression if regresses else parse_summary,
    )
    predictions = faults.read(
        folder / "predictions.parquet",
        command,
        partial(parse_predictions, keys=(*keys, truth)),
    )
    comparisons = faults.read(
        folder / "comparisons.csv", command, partial(parse_comparisons, keys=keys)
    )
    audit = faults.read(folder / "audit.json", command, parse_audit)
    provenance = faults.read(folder / "provenance.json", command, parse_object)
    evaluations = faults.read(folder / "ledger.jsonl", command, parse_lines)
    grid = None if regresses else faults.read(folder / "grid.csv", command, parse_grid)
    choices = None if regresses else faults.read(folder / "choices.csv", command, parse_choices)
    # One by one, because only this form tells a type checker that none of them is None.
    if scores is None or predictions is None or comparisons is None:
        return None
    if audit is None or provenance is None or evaluations is None:
        return None
    told = (folder, scores, predictions, comparisons, audit, provenance, evaluations)
    if regresses:
        return Regression(*told)
    return None if grid is None or choices is None else Results(*told, grid, choices)


def _read_run(folder: Path, faults: Faults) -> Run | None:
    command = f"tokser pretrain --out {folder}"
    if not folder.is_dir():
        return faults.read(folder, command, _no_folder)
    metrics = faults.read(folder / "metrics.csv", command, parse_metrics)
    settings = faults.read(folder / "settings.json", command, parse_object)
    provenance = faults.read(folder / "provenance.json", command, parse_object)
    if metrics is None or settings is None or provenance is None:
        return None
    return Run(folder, metrics, settings, provenance)


def _no_folder(folder: Path) -> None:
    if folder.exists():
        raise NotADirectoryError("expected a folder, got a file")
    raise FileNotFoundError(folder)
