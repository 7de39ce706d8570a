"""What `tokser classify` and `tokser pretrain` left on disk, read and checked."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from tokser.errors import InputError, MissingInputError

__all__ = ["Faults", "Results", "Run", "read_inputs", "read_scores"]

_KEYS = ("dataset", "features", "protocol", "classifier")
_SHARES = ("uar", "uar_std", "accuracy", "macro_f1", "weighted_f1")
_COUNTS = ("n_test", "num_folds")
_SCORES = (*_KEYS, *_SHARES, "leaks")
_COMPARISONS = (
    *("dataset", "protocol", "classifier", "setup", "first", "second"),
    *("difference", "low", "high", "p", "p_holm", "num_speakers"),
)
_TEXTS = (*_KEYS, "leaks", "setup", "stamp", "seeds", "first", "second")
_PREDICTIONS = ("id", "features", "protocol", "classifier", "fold", "label", "prediction")
_GRID = ("dataset", "features", "protocol", "classifier", "fold", "dev_uar", "selected")
_METRICS = ("epoch", "train_loss")

_Content = TypeVar("_Content")


@dataclass(frozen=True)
class Results:
    """One output folder of `tokser classify`."""

    folder: Path
    scores: pd.DataFrame
    """`summary.csv`: one row per configuration, over seeds, scores as fractions."""
    predictions: pd.DataFrame
    """`predictions.parquet`: one row per configuration and test utterance."""
    grid: pd.DataFrame
    """`grid.csv`: one row per configuration, fold and grid point."""
    comparisons: pd.DataFrame
    """`comparisons.csv`: one row per pair of feature sets."""
    audit: dict[str, dict[str, Any]]
    """`audit.json`: what each protocol shares between its parts."""
    provenance: dict[str, Any]
    looks: tuple[dict[str, Any], ...]
    """`ledger.jsonl`: one entry per look at a test part."""


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


@dataclass
class Faults:
    """Collects what is wrong with the inputs, so that all of it is told at once."""

    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def read(self, path: Path, command: str, parse: Callable[[Path], _Content]) -> _Content | None:
        """Parse one file, or note why that failed and which command would make it."""
        try:
            return parse(path)
        except FileNotFoundError:
            self.missing.append(f"{path} does not exist")
        except (ValueError, TypeError, OSError) as error:
            # pandas, pyarrow and json raise children of ValueError or OSError.
            self.broken.append(f"{path}: {error}")
        self.commands.append(command)
        return None

    def raise_if_any(self) -> None:
        """Raise one error that lists every fault, if there is one."""
        if not self.missing and not self.broken:
            return
        kind = InputError if self.broken else MissingInputError
        commands = ", ".join(f"`{command}`" for command in dict.fromkeys(self.commands))
        raise kind(
            "tokser report",
            expected="whole output folders of `tokser classify` and `tokser pretrain`",
            got="; ".join([*self.missing, *self.broken]),
            remedy=f"Correct the paths, or make what is named with {commands}.",
        )


def read_inputs(
    results: Sequence[Path], runs: Sequence[Path] = ()
) -> tuple[list[Results], list[Run]]:
    """Read every folder that goes on the page.

    Args:
        results: Output folders of `tokser classify`.
        runs: Output folders of `tokser pretrain`.

    Returns:
        The content of both kinds of folders, in the order given.

    Raises:
        MissingInputError: Files or folders do not exist; all of them are named.
        InputError: A file is not what its name says; all such files are named.
    """
    faults = Faults()
    read_results = [_read_results(folder, faults) for folder in results]
    read_runs = [_read_run(folder, faults) for folder in runs]
    faults.raise_if_any()
    return [r for r in read_results if r is not None], [r for r in read_runs if r is not None]


def read_scores(folders: Sequence[Path]) -> list[pd.DataFrame]:
    """Read `results.csv` of every folder, and nothing else.

    Raises:
        MissingInputError: Some of the files do not exist; all of them are named.
        InputError: Some of the files are no results; all of them are named.
    """
    faults = Faults()
    tables = [
        faults.read(folder / "results.csv", _classify(folder), _parse_results) for folder in folders
    ]
    faults.raise_if_any()
    return [table for table in tables if table is not None]


def _read_results(folder: Path, faults: Faults) -> Results | None:
    command = _classify(folder)
    if not folder.is_dir():
        return faults.read(folder, command, _no_folder)
    scores = faults.read(folder / "summary.csv", command, _parse_summary)
    predictions = faults.read(folder / "predictions.parquet", command, _parse_predictions)
    grid = faults.read(folder / "grid.csv", command, _parse_grid)
    comparisons = faults.read(folder / "comparisons.csv", command, _parse_comparisons)
    audit = faults.read(folder / "audit.json", command, _parse_audit)
    provenance = faults.read(folder / "provenance.json", command, _parse_object)
    looks = faults.read(folder / "ledger.jsonl", command, _parse_lines)
    # One by one, because only this form tells a type checker that none of them is None.
    if scores is None or predictions is None or grid is None:
        return None
    if audit is None or provenance is None or looks is None or comparisons is None:
        return None
    return Results(folder, scores, predictions, grid, comparisons, audit, provenance, looks)


def _read_run(folder: Path, faults: Faults) -> Run | None:
    command = f"tokser pretrain --out {folder}"
    if not folder.is_dir():
        return faults.read(folder, command, _no_folder)
    metrics = faults.read(folder / "metrics.csv", command, _parse_metrics)
    settings = faults.read(folder / "settings.json", command, _parse_object)
    provenance = faults.read(folder / "provenance.json", command, _parse_object)
    if metrics is None or settings is None or provenance is None:
        return None
    return Run(folder, metrics, settings, provenance)


def _classify(folder: Path) -> str:
    return f"tokser classify --out {folder}"


def _no_folder(folder: Path) -> None:
    if folder.exists():
        raise NotADirectoryError("expected a folder, got a file")
    raise FileNotFoundError(folder)


def _parse_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file whose names stay text: a feature may be called `NA`."""
    texts = dict.fromkeys(_TEXTS, str)
    table = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=_blank_numbers(path))
    return _checked(table, columns)


def _blank_numbers(path: Path) -> dict[str, list[str]]:
    header = pd.read_csv(path, nrows=0).columns
    return {name: ["", "nan", "NaN"] for name in header if name not in _TEXTS}


def _checked(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise ValueError(f"expected the columns {', '.join(columns)}, {', '.join(absent)} absent")
    if table.empty:
        raise ValueError("expected at least one row, got none")
    return table


def _parse_results(path: Path) -> pd.DataFrame:
    return _parse_scores(path, (*_COUNTS, "seed"))


def _parse_summary(path: Path) -> pd.DataFrame:
    _parse_csv(path, (*_SCORES, "seeds"))
    return _parse_scores(path, _COUNTS)


def _parse_scores(path: Path, counts: Sequence[str]) -> pd.DataFrame:
    """Read scores; a table from before there was `setup` has none."""
    table = _parse_csv(path, (*_SCORES, *counts))
    table = table if "setup" in table else table.assign(setup="")
    for column in (*_SHARES, *counts):
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise ValueError(f"expected numbers in column {column}, got text")
        if column != "uar_std" and table[column].isna().any():
            raise ValueError(f"expected a number in every row of {column}, got a blank")
    for column in _SHARES:
        wrong = table[column][(table[column] < 0) | (table[column] > 1)]
        if len(wrong):
            raise ValueError(f"expected fractions from 0 to 1 in {column}, got {wrong.iloc[0]:g}")
    return table


def _parse_grid(path: Path) -> pd.DataFrame:
    """Read the grid; logistic regression alone has none, and its file holds no rows."""
    if len(path.read_text(encoding="utf-8").split()) < 2:
        return pd.DataFrame(columns=list(_GRID))
    return _parse_csv(path, _GRID)


def _parse_comparisons(path: Path) -> pd.DataFrame:
    """Read the paired tests; one feature set alone has none, and the file holds no rows."""
    if len(path.read_text(encoding="utf-8").splitlines()) < 2:
        return pd.DataFrame(columns=list(_COMPARISONS))
    return _parse_csv(path, _COMPARISONS)


def _parse_predictions(path: Path) -> pd.DataFrame:
    return _checked(pd.read_parquet(path), _PREDICTIONS)


def _parse_metrics(path: Path) -> pd.DataFrame:
    table = _parse_csv(path, _METRICS)
    for column in table.columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise ValueError(f"expected numbers in column {column}, got text")
    return table.sort_values("epoch", ignore_index=True)


def _parse_object(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, Mapping):
        raise ValueError(f"expected one JSON object, got {type(content).__name__}")
    return dict(content)


def _parse_audit(path: Path) -> dict[str, dict[str, Any]]:
    audit = _parse_object(path)
    for protocol, found in audit.items():
        if not isinstance(found, Mapping) or "leaks" not in found or "stamp" not in found:
            raise ValueError(f"expected `leaks` and `stamp` of protocol {protocol!r}")
    return audit


def _parse_lines(path: Path) -> tuple[dict[str, Any], ...]:
    lines = path.read_text(encoding="utf-8").splitlines()
    entries = tuple(json.loads(line) for line in lines if line.strip())
    if not all(isinstance(entry, Mapping) for entry in entries):
        raise ValueError("expected one JSON object on each line")
    return entries
