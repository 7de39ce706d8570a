"""What a table of results is: columns with types, written to a file, and read with checks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd

from tokser.config.base import FORMER_PROTOCOLS
from tokser.errors import InputError, MissingInputError, list_some, shortened

__all__ = ["Column", "Kind", "Table", "current_protocol"]

Kind = Literal["text", "whole", "real", "flag"]
_BLANKS = ("", "nan", "NaN")
"""How a number that is missing is written."""
_REMEDY = "Correct the path, or run the command that made the folder again."


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its heading.
        kind: `text`, `whole` or `real` numbers, or `flag` (True, False).
        required: Whether a table without it is refused, and each row has a value there.
        bounds: Least and largest value of a number.
        is_sparse: Whether it is left out of a file in which no row has a value there.
    """

    name: str
    kind: Kind
    required: bool = False
    bounds: tuple[float, float] | None = None
    is_sparse: bool = False

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
            cells = values.to_numpy(dtype=object, copy=True)
            cells[values.isna().to_numpy()] = ""
            texts = np.array([*map(str, cells), None], dtype=object)[:-1]  # never an array of "U"
            return pd.Series(texts, index=values.index, name=values.name, dtype=object)
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
        more: How further columns, of numbers, begin that follow the declared ones, such as
            `probability_`.
    """

    file: str
    rows: str
    columns: tuple[Column, ...]
    may_be_empty: bool = False
    more: str | tuple[str, ...] = ""

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
        return self._written(self.ordered(table))

    def content_of(self, rows: Iterable[Mapping[str, Any]]) -> bytes:
        """Return rows as the bytes of the table's file."""
        return self._written(self.frame(rows))

    def _written(self, ordered: pd.DataFrame) -> bytes:
        blank = [c.name for c in self.columns if c.is_sparse and _is_blank(ordered[c.name])]
        ordered = ordered.drop(columns=blank)
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


def _is_blank(values: pd.Series) -> bool:
    return bool((values.isna() | values.eq("")).all())


def _read_csv(table: Table, path: Path) -> pd.DataFrame:
    """Read a CSV file, in which names stay text: a feature may be called `NA`."""
    if table.may_be_empty and sum(map(bool, path.read_text(encoding="utf-8").split("\n"))) < 2:
        return pd.DataFrame(columns=table.names)
    header = pd.read_csv(path, nrows=0).columns
    numbers = {c.name for c in table.columns if c.kind != "text"}
    numbers |= {name for name in header if table.more and str(name).startswith(table.more)}
    texts = [name for name in header if name not in numbers]
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(texts, str),
        keep_default_na=False,
        na_values={name: list(_BLANKS) for name in header if name in numbers},
    )


def _numbers(name: str, values: pd.Series) -> pd.Series:
    """Return values as numbers."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf":
        return values.astype("float64")
    blank = values.isna()
    found = pd.to_numeric(values.where(~blank, None), errors="coerce").astype("float64")
    if (found.isna() & ~blank).any():
        raise ValueError(f"text in column {name}, which holds numbers")
    return found


def current_protocol(name: str) -> str:
    """Return what a protocol is called that an earlier version wrote down, here or in JSON."""
    return FORMER_PROTOCOLS.get(name, name)
