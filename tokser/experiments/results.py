"""The tables of results: their files, columns, types and order, declared once.

Whatever writes a table of `tokser classify` or `tokser regress`, or reads one (the report, the
terminal, a reproduction), goes by this file:

    table = CLASSIFICATION.summary.read(folder / CLASSIFICATION.summary.file)

A column that is not `required` is blank in tables of versions that did not write it yet: texts are
empty, numbers missing. Names that later versions changed are read as what they are called now.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import pandas as pd

from tokser.config.base import FORMER_PROTOCOLS
from tokser.errors import InputError, MissingInputError, list_some, shortened

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "TASKS",
    "Column",
    "Table",
    "TaskTables",
    "current_protocol",
    "tables_in",
]

_SHARE = (0.0, 1.0)
Kind = Literal["text", "whole", "real", "flag"]
_BLANKS = ("", "nan", "NaN")
"""How a number that is missing is written."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its heading.
        kind: `text`, `whole` or `real` numbers, or `flag` (True, False).
        required: Whether a table without it is refused, and each row has a value there.
        bounds: Least and largest value of a number.
    """

    name: str
    kind: Kind
    required: bool = False
    bounds: tuple[float, float] | None = None

    @property
    def dtype(self) -> str:
        """Type in pandas; numbers that may be missing are `Int64` or `float64`."""
        whole = "int64" if self.required else "Int64"
        return {"text": "object", "whole": whole, "real": "float64", "flag": "bool"}[self.kind]

    def typed(self, values: pd.Series) -> pd.Series:
        """Return values in this column's type, those without a value blank.

        Raises:
            ValueError: A value has another type, lies out of bounds, or is missing.
        """
        if self.kind == "text":
            return values.astype(object).where(values.notna(), "").map(str).astype(object)
        if self.required and values.isna().any():
            raise ValueError(f"a blank in column {self.name}")
        if self.kind == "flag":
            return self._flags(values)
        numbers = _numbers(self.name, values)
        if self.bounds:
            wrong = numbers[(numbers < self.bounds[0]) | (numbers > self.bounds[1])]
            if len(wrong):
                least, most = self.bounds
                got = f"{float(wrong.iloc[0]):g}"
                raise ValueError(
                    f"{got} in column {self.name}, whose values are {least:g} to {most:g}"
                )
        if self.kind == "whole" and (numbers.dropna() % 1 != 0).any():
            raise ValueError(f"numbers in column {self.name} that are not whole")
        return numbers.astype(self.dtype)

    def _flags(self, values: pd.Series) -> pd.Series:
        flags = values.map({True: True, False: False, "True": True, "False": False})
        if flags.isna().any():
            raise ValueError(f"neither True nor False in column {self.name}")
        return flags.astype(bool)


@dataclass(frozen=True)
class Table:
    """A table: one file of a results folder.

    Attributes:
        file: Its name in the folder; Parquet where it ends so, else CSV.
        rows: What a row is, in words.
        columns: In order.
        may_be_empty: Whether it may hold no row.
        more: How further columns begin that follow the declared ones, such as `probability_`.
    """

    file: str
    rows: str
    columns: tuple[Column, ...]
    may_be_empty: bool = False
    more: str = ""

    @property
    def names(self) -> list[str]:
        """The headings, in order."""
        return [column.name for column in self.columns]

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
        """Return rows as a table: every column, in order and in its type."""
        return self.ordered(pd.DataFrame(list(rows), columns=self.names))

    def ordered(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with all columns in order and in their types; those it lacks are blank.

        Raises:
            ValueError: A required column is absent, or a value has another type.
        """
        absent = [c.name for c in self.columns if c.required and c.name not in table]
        if absent:
            raise ValueError(f"no column {list_some(absent)}")
        blank = pd.Series([None] * len(table), index=table.index, dtype=object)
        typed = {c.name: c.typed(table.get(c.name, blank)) for c in self.columns}
        further = [n for n in table if self.more and str(n).startswith(self.more)]
        last = {self.names[-1]: typed.pop(self.names[-1])} if further else {}
        return pd.DataFrame(typed | {name: table[name] for name in further} | last)

    def content(self, table: pd.DataFrame) -> bytes:
        """Return a table as the bytes of its file."""
        ordered = self.ordered(table)
        if self.is_parquet:
            return bytes(ordered.to_parquet(index=False))
        return str(ordered.to_csv(index=False, lineterminator="\n")).encode()

    def read(self, path: Path) -> pd.DataFrame:
        """Read and check a file.

        Returns:
            All columns, in order and in their types; protocols under the names they have now.

        Raises:
            MissingInputError: There is no such file.
            InputError: It is no such table, lacks a column, has no rows or wrong values.
        """
        try:
            table = self.ordered(
                pd.read_parquet(path) if self.is_parquet else _read_csv(self, path)
            )
        except FileNotFoundError as error:
            raise MissingInputError(
                path, expected=f"a table with {self.rows}", got="nothing", remedy=_REMEDY
            ) from error
        except (ValueError, TypeError, OSError) as error:  # of pandas and pyarrow, too
            self._refuse(path, shortened(str(error)), error)
        if table.empty and not self.may_be_empty:
            self._refuse(path, "no row")
        if "protocol" in table:
            table["protocol"] = table["protocol"].map(current_protocol).astype(object)
        return table

    @property
    def is_parquet(self) -> bool:
        """Whether the file is Parquet, and not CSV."""
        return self.file.endswith(".parquet")

    def _refuse(self, path: Path, got: str, error: Exception | None = None) -> NoReturn:
        needed = ", ".join(column.name for column in self.columns if column.required)
        raise InputError(
            path,
            expected=f"a table with {self.rows}, and the columns {needed}",
            got=got,
            remedy=_REMEDY,
        ) from error


_REMEDY = "Correct the path, or run the command that made the folder again."


def _read_csv(table: Table, path: Path) -> pd.DataFrame:
    """Read a CSV file, in which names stay text: a feature may be called `NA`."""
    if table.may_be_empty and sum(map(bool, path.read_text(encoding="utf-8").split("\n"))) < 2:
        return pd.DataFrame(columns=table.names)
    header = pd.read_csv(path, nrows=0).columns
    numbers = {c.name for c in table.columns if c.kind != "text"}
    texts = [name for name in header if name not in numbers]
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(texts, str),
        keep_default_na=False,
        na_values={name: list(_BLANKS) for name in header if name in numbers},
    )


def _numbers(name: str, values: pd.Series) -> pd.Series:
    """Return values as numbers."""
    blank = values.isna()
    found = pd.to_numeric(values.where(~blank, None), errors="coerce").astype("float64")
    if (found.isna() & ~blank).any():
        raise ValueError(f"text in column {name}, which holds numbers")
    return found


def current_protocol(name: str) -> str:
    """Return what a protocol is called that an earlier version wrote down, here or in JSON."""
    return FORMER_PROTOCOLS.get(name, name)


def _columns(kind: Kind, names: str, **options: Any) -> tuple[Column, ...]:
    return tuple(Column(name, kind, **options) for name in names.split())


def _needed(
    kind: Kind, names: str, bounds: tuple[float, float] | None = None
) -> tuple[Column, ...]:
    return _columns(kind, names, required=True, bounds=bounds)


def _with_ends(name: str, *, required: bool = False) -> tuple[Column, ...]:
    """A score and the ends of its 95 % interval, blank where there is none."""
    return (
        Column(name, "real", required, _SHARE),
        *_columns("real", f"{name}_low {name}_high"),
    )


@dataclass(frozen=True)
class TaskTables:
    """The tables that one task leaves in a folder.

    Attributes:
        task: `classification` or `regression`.
        command: What writes them.
        metric: The score that dev selects by: its columns are `dev_<metric>` and so on.
        head: Column with the name of what was trained.
        has_targets: Whether a folder holds several targets, in the column `target`.
        scores: Test scores of each configuration and seed.
        summary: The same over seeds; None where there is no such table.
        classes: Recall, precision and F1 of each class; None without classes.
        confusion: Confusion matrices, a cell a row; None without classes.
        comparisons: Differences between feature sets.
        choices: What dev chose, fold by fold.
        grid: What was trained: every grid point of every fold.
        predictions: What was predicted for every test utterance.
    """

    task: str
    command: str
    metric: str
    head: str
    has_targets: bool
    scores: Table
    comparisons: Table
    choices: Table
    grid: Table
    predictions: Table
    summary: Table | None = None
    classes: Table | None = None
    confusion: Table | None = None

    @property
    def unit(self) -> tuple[str, ...]:
        """Columns that tell what was trained: features, protocol, target, head, seed."""
        target = ("target",) if self.has_targets else ()
        return ("features", "protocol", *target, self.head, "seed")

    @property
    def all(self) -> tuple[Table, ...]:
        """Every table that there is."""
        found = (
            *(self.scores, self.summary, self.classes, self.confusion, self.comparisons),
            *(self.choices, self.grid, self.predictions),
        )
        return tuple(table for table in found if table is not None)


_TESTED = (
    *_needed("whole", "n_test num_folds"),
    *_columns("text", "unit"),
    *_columns("whole", "num_units"),
    *_columns("text", "no_interval"),
    *_needed("text", "leaks"),
    *_columns("text", "stamp"),
)
_SEED = _needed("whole", "seed")
_STAMP = _columns("text", "stamp")


def _keys(between: str) -> tuple[Column, ...]:
    """Columns that tell one configuration from another."""
    named = _needed("text", f"dataset features protocol {between}")
    return (*named, *_columns("text", "setup"))


def _comparisons(between: str) -> Table:
    return Table(
        "comparisons.csv",
        "a row for each pair of feature sets",
        (
            *_needed("text", f"dataset protocol {between}"),
            *_columns("text", "setup"),
            *_needed("text", "first second"),
            *_needed("real", "difference"),
            *_columns("real", "low high"),
            *_columns("text", "no_interval"),
            *_columns("real", "p p_adjusted"),
            *_columns("text", "no_test unit"),
            *_columns("whole", "num_units"),
            *_STAMP,
        ),
        may_be_empty=True,
    )


def _choices(between: str, head: str, metric: str) -> Table:
    return Table(
        "choices.csv",
        "a row for each choice by dev and fold",
        (
            *_keys(between),
            *_SEED,
            *_needed("text", f"fold chosen chosen_{head}"),
            *_columns("real", f"dev_{metric}"),
            *_STAMP,
        ),
        may_be_empty=True,
    )


def _grid(between: str, metric: str, cost: str) -> Table:
    return Table(
        "grid.csv",
        "a row for each configuration, fold and grid point",
        (
            *_columns("text", "dataset"),
            *_needed("text", f"features protocol {between}"),
            *_columns("whole", "seed"),
            *_needed("text", "fold"),
            *_columns("whole", "batch_size"),
            *_columns("real", "learning_rate"),
            *_columns("text", "hidden"),
            *_columns("real", cost),
            *_columns("whole", "best_epoch"),
            *_needed("real", f"dev_{metric}"),
            *_columns("real", f"dev_{metric}_crossfit"),
            *_needed("flag", "selected"),
            *_columns("whole", "num_constant"),
            *_STAMP,
        ),
        may_be_empty=True,
    )


def _predictions(between: str, content: tuple[Column, ...], more: str = "") -> Table:
    return Table(
        "predictions.parquet",
        "a row for each configuration and test utterance",
        (
            *_needed("text", f"id features protocol {between}"),
            *_columns("whole", "seed"),
            *_needed("text", "fold"),
            *content,
            *_STAMP,
        ),
        more=more,
    )


_SCORES = (
    *_with_ends("uar", required=True),
    *_needed("real", "uar_chance", _SHARE),
    *_columns("real", "uar_fold_mean uar_fold_std"),
    *_with_ends("accuracy", required=True),
    *_columns("real", "accuracy_chance"),
    *_with_ends("macro_f1", required=True),
    *_columns("real", "macro_f1_chance"),
    *_needed("real", "weighted_f1", _SHARE),
    *_columns("real", "dev_uar"),
    *_needed("whole", "num_candidates"),
    *_TESTED,
)
CLASSIFICATION = TaskTables(
    task="classification",
    command="classify",
    metric="uar",
    head="classifier",
    has_targets=False,
    scores=Table(
        "results.csv",
        "a row for each configuration and seed",
        (*_keys("classifier"), *_SCORES, *_SEED),
    ),
    summary=Table(
        "summary.csv",
        "a row for each configuration, over seeds",
        (
            *(*_keys("classifier"), *_SCORES),
            *(*_columns("real", "uar_seed_std"), *_columns("whole", "num_seeds")),
            *_needed("text", "seeds"),
        ),
    ),
    classes=Table(
        "classes.csv",
        "a row for each configuration and class",
        (
            *(*_keys("classifier"), *_needed("text", "label")),
            *(column for name in ("recall", "precision", "f1") for column in _with_ends(name)),
            *(*_needed("whole", "support"), *_columns("whole", "num_seeds"), *_STAMP),
        ),
    ),
    confusion=Table(
        "confusion.csv",
        "a row for each configuration, label and prediction",
        (
            *(*_keys("classifier"), *_needed("text", "label prediction")),
            *(*_needed("whole", "count"), *_columns("whole", "num_seeds"), *_STAMP),
        ),
    ),
    comparisons=_comparisons("classifier"),
    choices=_choices("classifier", "classifier", "uar"),
    grid=_grid("classifier", "uar", "C"),
    predictions=_predictions("classifier", _needed("text", "label prediction"), "probability_"),
)
REGRESSION = TaskTables(
    task="regression",
    command="regress",
    metric="ccc",
    head="regressor",
    has_targets=True,
    scores=Table(
        "regression.csv",
        "a row for each configuration, target and seed",
        (
            *_keys("target regressor"),
            *_needed("real", "ccc", (-1.0, 1.0)),
            *_columns("real", "ccc_low ccc_high ccc_fold_mean ccc_fold_std"),
            *_needed("real", "pearson", (-1.0, 1.0)),
            *_needed("real", "rmse"),
            *_columns("real", "rmse_chance"),
            *_needed("whole", "num_candidates"),
            *(*_TESTED, *_SEED),
        ),
    ),
    comparisons=_comparisons("target regressor"),
    choices=_choices("target regressor", "regressor", "ccc"),
    grid=_grid("target regressor", "ccc", "penalty"),
    predictions=_predictions("target regressor", _needed("real", "truth prediction")),
)
TASKS = {tables.task: tables for tables in (CLASSIFICATION, REGRESSION)}


def tables_in(folder: Path) -> TaskTables:
    """Tell the tables of a folder by what lies there: those of classification unless others do."""
    return REGRESSION if (folder / REGRESSION.scores.file).exists() else CLASSIFICATION
