"""What `tokser classify`, `regress`, `pretrain` and studies left on disk, read and checked.

The tables of results are read as `tokser.experiments.results` declares them. Both tasks come out in
the same columns, so that one section builder serves both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tokser.experiments.fairness.tables import gaps_table, groups_table
from tokser.experiments.results import (
    CLASSIFICATION,
    LABELS,
    REGRESSION,
    SHARED,
    TRANSFER,
    Table,
    TaskTables,
    current_protocol,
    tables_in,
)
from tokser.pretrain.metrics import read_metrics
from tokser.report.faults import Faults
from tokser.report.json_files import parse_audit, parse_lines, parse_object
from tokser.report.studies import FURTHER_TABLES, has_file, kind_of, read_study
from tokser.report.study import Study

__all__ = [
    "TABLES",
    "Experiment",
    "Inputs",
    "Run",
    "parse_metrics",
    "read_inputs",
    "read_scores",
    "uniform",
]

TABLES = ("scores", "predictions", "comparisons", "choices", "confusion", "mixes", "grid")
"""Tables of an `Experiment`, all with the key columns that `uniform` gives them."""


@dataclass(frozen=True)
class Experiment:
    """One output folder of `tokser classify` or `tokser regress`.

    Whatever was trained is the `classifier` of a row, and what was predicted its `target`, which is
    empty for emotion classes. Its `source` is empty unless another folder has other scores of the
    same configuration; see `tokser.report.merge`.

    Attributes:
        folder: Where it is.
        tables: What it holds.
        scores: One row per configuration, over seeds where the task has such a table.
        predictions: One row per configuration and test utterance.
        comparisons: One row per pair of feature sets.
        choices: One row per selection on dev and fold; without rows where there is no such file.
        confusion: One row per label and prediction; without rows where there is no such file.
        mixes: One row per configuration and layer of a mix; without rows where nothing is mixed.
        grid: One row per configuration, fold and point of a grid; without rows where there is no
            such file.
        audit: What each protocol shares between its sets.
        provenance: What made the folder.
        evaluations: One entry per test-set evaluation, from the ledger.
        further: Tables that only some folders have, by file: `transfer.csv`, `labels.csv`,
            `corpora.csv`, `shared.csv`, `groups.csv`, `gaps.csv`, and those of
            `tokser.report.studies`.
    """

    folder: Path
    tables: TaskTables
    scores: pd.DataFrame
    predictions: pd.DataFrame
    comparisons: pd.DataFrame
    choices: pd.DataFrame
    confusion: pd.DataFrame
    mixes: pd.DataFrame
    grid: pd.DataFrame
    audit: dict[str, dict[str, Any]]
    provenance: dict[str, Any]
    evaluations: tuple[dict[str, Any], ...]
    further: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the command that made the folder, as far as they are known."""
        settings = dict(self.provenance.get("settings", {}))
        if settings.get("protocols"):
            settings["protocols"] = [current_protocol(name) for name in settings["protocols"]]
        return settings


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
    """All folders of one page, each kind in the order given."""

    experiments: list[Experiment]
    runs: list[Run]
    studies: list[Study]


def read_inputs(experiments: Sequence[Path], runs: Sequence[Path] = ()) -> Inputs:
    """Read every folder that goes on the page.

    Args:
        experiments: Output folders of `tokser classify` and `tokser regress`, and of the commands
            in `tokser.report.studies`.
        runs: Output folders of `tokser pretrain`.

    Raises:
        MissingInputError: Files or folders do not exist; all of them are named.
        InputError: A file is not what its name says; all such files are named.
    """
    faults = Faults()
    read: list[Experiment | Study | None] = []
    for folder in experiments:
        kind = kind_of(folder)
        read.append(read_study(folder, kind, faults) if kind else _read_experiment(folder, faults))
    read_runs = [_read_run(folder, faults) for folder in runs]
    faults.raise_if_any()
    return Inputs(
        [one for one in read if isinstance(one, Experiment)],
        [one for one in read_runs if one],
        [one for one in read if isinstance(one, Study)],
    )


def read_scores(folders: Sequence[Path]) -> list[pd.DataFrame]:
    """Read `results.csv` of every folder.

    Raises:
        MissingInputError: Some of the files do not exist; all of them are named.
        InputError: Some of the files are not results; all of them are named.
    """
    faults, table = Faults(), CLASSIFICATION.scores
    read = [faults.read(f / table.file, f"tokser classify --out {f}", table.read) for f in folders]
    faults.raise_if_any()
    return [one for one in read if one is not None]


def parse_metrics(path: Path) -> pd.DataFrame:
    """Read `metrics.csv` of a pretraining run: a row per epoch."""
    table = read_metrics(path)
    absent = {"epoch", "train_loss"} - set(table.columns)
    if absent:
        raise ValueError(f"no column {', '.join(sorted(absent))}")
    if table.empty:
        raise ValueError("no row")
    return table.sort_values("epoch", ignore_index=True)


def _read_experiment(folder: Path, faults: Faults) -> Experiment | None:
    tables = _tables_of(folder)
    command = f"tokser {tables.command} --out {folder}"
    if not folder.is_dir():
        return faults.read(folder, command, _no_folder)

    def read(table: Table) -> pd.DataFrame | None:
        return faults.read(folder / table.file, command, table.read)

    scores = read(tables.summary or tables.scores)
    predictions, comparisons = read(tables.predictions), read(tables.comparisons)
    choices, confusion, mixes, grid = (
        read(table) if has_file(folder, table.file) else pd.DataFrame(columns=table.names)
        for table in (
            *(tables.choices, tables.confusion or CLASSIFICATION.confusion),
            *(tables.mixes, tables.grid),
        )
        if table is not None
    )
    further = {
        table.file: read(table)
        for table in (
            *(TRANSFER, LABELS, SHARED, tables.corpora),
            *(groups_table(tables), gaps_table(tables)),
            *(one.table for one in FURTHER_TABLES),
        )
        if has_file(folder, table.file)
    }
    audit = faults.read(folder / "audit.json", command, parse_audit)
    provenance = faults.read(folder / "provenance.json", command, parse_object)
    evaluations = faults.read(folder / "ledger.jsonl", command, parse_lines)
    # One by one, because type checkers understand only this form.
    if scores is None or predictions is None or comparisons is None:
        return None
    if choices is None or confusion is None or mixes is None or grid is None:
        return None
    if audit is None or provenance is None or evaluations is None:
        return None
    # A folder has one setup, which its predictions do not name.
    predictions = predictions.assign(setup=scores["setup"].iloc[0])
    return Experiment(
        folder,
        tables,
        scores=uniform(scores, tables.head),
        predictions=uniform(predictions, tables.head),
        comparisons=uniform(comparisons, tables.head),
        choices=uniform(choices, tables.head),
        confusion=uniform(confusion, tables.head),
        mixes=uniform(mixes, tables.head),
        grid=uniform(grid, tables.head),
        audit=audit,
        provenance=provenance,
        evaluations=tuple(_under_current_name(line) for line in evaluations),
        further={name: table for name, table in further.items() if table is not None},
    )


def _tables_of(folder: Path) -> TaskTables:
    """Return a folder's tables, also where the deciding file is in its index and was deleted."""
    return REGRESSION if has_file(folder, REGRESSION.scores.file) else tables_in(folder)


def uniform(table: pd.DataFrame, head: str) -> pd.DataFrame:
    """Give the key columns of a table the names that `Experiment` describes."""
    table = table.rename(columns={head: "classifier"})
    if "target" not in table:
        table = table.assign(target="")
    if "source" not in table:
        table = table.assign(source="")
    if "seeds" not in table and "seed" in table:
        table = table.assign(seeds=table["seed"].astype(str))
    return table


def _under_current_name(line: dict[str, Any]) -> dict[str, Any]:
    return line | {"protocol": current_protocol(str(line.get("protocol", "")))}


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
