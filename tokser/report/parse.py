"""The files in an output folder, parsed and checked."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from tokser.errors import DamagedFileError, InputError, MissingInputError
from tokser.pretrain.metrics import read_metrics
from tokser.progress import say
from tokser.redaction import redacted_values
from tokser.sealed import INDEX, SealedFolder

__all__ = [
    "Faults",
    "parse_audit",
    "parse_choices",
    "parse_comparisons",
    "parse_grid",
    "parse_lines",
    "parse_metrics",
    "parse_object",
    "parse_predictions",
    "parse_regression",
    "parse_results",
    "parse_summary",
]

_KEYS = ("dataset", "features", "protocol", "classifier")
_SHARES = ("uar", "uar_chance", "accuracy", "macro_f1", "weighted_f1")
_COUNTS = ("n_test", "num_folds", "num_candidates")
_SCORES = (*_KEYS, *_SHARES, "leaks")
_REGRESSION = (
    *("dataset", "features", "protocol", "target", "regressor", "setup", "leaks", "stamp"),
    *("ccc", "ccc_low", "ccc_high", "pearson", "rmse", *_COUNTS, "seed"),
)
_COMPARISONS = (
    *("dataset", "protocol", "setup", "first", "second"),
    *("difference", "low", "high", "p", "p_adjusted", "no_test", "unit", "num_units"),
)
_TEXTS = (
    *(*_KEYS, "target", "regressor", "leaks", "setup", "stamp", "seeds", "first", "second"),
    *("unit", "no_interval", "no_test", "chosen", "chosen_classifier"),
)
_PREDICTIONS = ("id", "features", "protocol", "fold", "prediction")
_GRID = ("dataset", "features", "protocol", "classifier", "fold", "dev_uar", "selected")
_CHOICES = (*_KEYS, "setup", "seed", "fold", "chosen", "chosen_classifier")
_METRICS = ("epoch", "train_loss")

_Content = TypeVar("_Content")


@dataclass
class Faults:
    """Collects what is wrong with the inputs, so that all of it is told at once."""

    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    unchecked: set[Path] = field(default_factory=set)

    def read(self, path: Path, command: str, parse: Callable[[Path], _Content]) -> _Content | None:
        """Parse one file, or note why that failed and which command would make it."""
        try:
            self._require_whole(path)
            return parse(path)
        except FileNotFoundError:
            self.missing.append(f"{path} does not exist")
        except DamagedFileError as error:
            told = f"{error.where}: expected {error.expected}, got {error.got}"
            if told not in self.broken:
                self.broken.append(told)
        except (ValueError, TypeError, OSError, RecursionError) as error:
            # pandas, pyarrow and json raise children of ValueError or OSError.
            self.broken.append(f"{path}: {error}")
        self.commands.append(command)
        return None

    def _require_whole(self, path: Path) -> None:
        sealed = SealedFolder(path.parent)
        if sealed.is_sealed:
            if path.exists() or path.name in sealed.listed():
                sealed.require_whole(path.name, remedy="")
        elif path.parent not in self.unchecked:
            self.unchecked.add(path.parent)
            if (path.parent / "begun.json").is_file():
                say(f"{path.parent}: written by an earlier version without {INDEX}: not checked")

    def raise_if_any(self) -> None:
        """Raise one error that lists every fault, if there is one."""
        if not self.missing and not self.broken:
            return
        kind = InputError if self.broken else MissingInputError
        commands = ", ".join(f"`{command}`" for command in dict.fromkeys(self.commands))
        raise kind(
            "tokser report",
            expected="whole output folders of `tokser classify`, `regress` and `pretrain`",
            got="; ".join([*self.missing, *self.broken]),
            remedy=f"Correct the paths, or make what is named (again) with {commands}.",
        )


def _parse_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file whose names stay text: a feature may be called `NA`."""
    texts = dict.fromkeys(_TEXTS, str)
    table = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=_blank_numbers(path))
    return _checked(table, columns)


def _parse_csv_or_none(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file that may hold no row."""
    if sum(map(bool, path.read_text(encoding="utf-8").split("\n"))) < 2:
        return pd.DataFrame(columns=list(columns))
    return _parse_csv(path, columns)


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


def parse_results(path: Path) -> pd.DataFrame:
    """Read `results.csv`: a row per configuration and seed."""
    return _parse_scores(path, (*_COUNTS, "seed"))


def parse_summary(path: Path) -> pd.DataFrame:
    """Read `summary.csv`: a row per configuration, over seeds."""
    _parse_csv(path, (*_SCORES, "seeds"))
    return _parse_scores(path, _COUNTS)


def _parse_scores(path: Path, counts: Sequence[str]) -> pd.DataFrame:
    """Read scores; a table from before there was `setup` has none."""
    table = _parse_csv(path, (*_SCORES, *counts))
    table = table if "setup" in table else table.assign(setup="")
    _require_numbers(table, (*_SHARES, *counts))
    for column in _SHARES:
        wrong = table[column][(table[column] < 0) | (table[column] > 1)]
        if len(wrong):
            raise ValueError(f"expected fractions from 0 to 1 in {column}, got {wrong.iloc[0]:g}")
    return table


def parse_regression(path: Path) -> pd.DataFrame:
    """Read `regression.csv`: a row per configuration, target and seed."""
    table = _parse_csv(path, _REGRESSION)
    _require_numbers(table, ("ccc", "pearson", "rmse", *_COUNTS))
    for column in ("ccc", "pearson"):
        wrong = table[column][table[column].abs() > 1]
        if len(wrong):
            raise ValueError(f"expected numbers from -1 to 1 in {column}, got {wrong.iloc[0]:g}")
    return table


def _require_numbers(table: pd.DataFrame, columns: Sequence[str]) -> None:
    for column in columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise ValueError(f"expected numbers in column {column}, got text")
        if table[column].isna().any():
            raise ValueError(f"expected a number in every row of {column}, got a blank")


def parse_grid(path: Path) -> pd.DataFrame:
    """Read `grid.csv`; logistic regression alone has no grid, and its file holds no rows."""
    if len(path.read_text(encoding="utf-8").split()) < 2:
        return pd.DataFrame(columns=list(_GRID))
    return _parse_csv(path, _GRID)


def parse_comparisons(path: Path, keys: Sequence[str]) -> pd.DataFrame:
    """Read the paired tests; one feature set alone has none, and the file holds no rows."""
    return _parse_csv_or_none(path, [*keys, *_COMPARISONS])


def parse_choices(path: Path) -> pd.DataFrame:
    """Read `choices.csv`: what dev chose in each fold; without any choice it holds no rows."""
    return _parse_csv_or_none(path, _CHOICES)


def parse_predictions(path: Path, keys: Sequence[str]) -> pd.DataFrame:
    """Read `predictions.parquet`: a row per configuration and test utterance."""
    return _checked(pd.read_parquet(path), [*keys, *_PREDICTIONS])


def parse_metrics(path: Path) -> pd.DataFrame:
    """Read `metrics.csv` of a pretraining run: a row per epoch."""
    table = _checked(read_metrics(path), _METRICS)
    return table.sort_values("epoch", ignore_index=True)


def parse_object(path: Path) -> dict[str, Any]:
    """Read a file of one JSON object; secrets in addresses, which old ones hold, are left out."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, Mapping):
        raise ValueError(f"expected one JSON object, got {type(content).__name__}")
    return redacted_values(dict(content))


def parse_audit(path: Path) -> dict[str, dict[str, Any]]:
    """Read `audit.json`: what each protocol shares between its parts."""
    audit = parse_object(path)
    for protocol, found in audit.items():
        if not isinstance(found, Mapping) or "leaks" not in found or "stamp" not in found:
            raise ValueError(f"expected `leaks` and `stamp` of protocol {protocol!r}")
    return audit


def parse_lines(path: Path) -> tuple[dict[str, Any], ...]:
    """Read a file of JSON objects, one on each line."""
    lines = path.read_text(encoding="utf-8").split("\n")
    entries = tuple(json.loads(line) for line in lines if line.strip())
    if not all(isinstance(entry, Mapping) for entry in entries):
        raise ValueError("expected one JSON object on each line")
    return entries
