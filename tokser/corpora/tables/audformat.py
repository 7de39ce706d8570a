"""Audformat databases, as audb loads them. The only file that imports audformat."""

import importlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from tokser.corpora.parts import END, START
from tokser.corpora.tables.records import Record
from tokser.errors import (
    ManifestError,
    MissingInputError,
    MissingPackageError,
    SettingsError,
    TokserError,
    list_some,
)

__all__ = ["read_audformat"]


def read_audformat(root: Path, tables: Sequence[str]) -> Iterator[Record]:
    """Read tables of the database in `root` (`db.yaml` and one file a table), joined by file.

    Codes whose scheme says more become what they stand for: a sentence's code its text, a
    speaker's number further columns such as `gender` (the number stays).

    Args:
        root: Folder of the database.
        tables: Names of tables of whole files; at least one.

    Raises:
        MissingPackageError: audformat is not installed.
        MissingInputError: `root` holds no database.
        SettingsError: There is no such table, or none was named.
        ManifestError: A table has parts of files, or the database is damaged.
    """
    audformat = _import_audformat()
    if not (root / "db.yaml").is_file():
        raise MissingInputError(
            root,
            expected="an audformat database (db.yaml)",
            got="none",
            remedy="Give the folder that `audb.load` returned as `db.root`.",
        )
    with _readable(root):
        database = audformat.Database.load(str(root))
        known = list(database.tables)
    unknown = [name for name in tables if name not in known]
    if unknown or not tables:
        raise SettingsError(
            "--table",
            expected=f"tables of {root}: {list_some(known, most=30) or 'none'}",
            got=", ".join(unknown) or "none",
            remedy="Name one of these, the one with the labels at least.",
        )
    with _readable(root), warnings.catch_warnings():
        # audformat 1.4 sets indices in place, which pandas 3.1 warns of.
        warnings.filterwarnings("ignore", message="The inplace keyword")
        joined = _joined([_frame(database, name) for name in tables])
        rows = joined.astype(object).to_dict("records")
    for (file, start, end), row in zip(joined.index, rows, strict=True):
        cells = {str(name): cell for name, cell in row.items() if isinstance(cell, str)}
        span = {START: start, END: end} if end else {}
        yield Record(f"{', '.join(tables)}: {file}", {**cells, "file": str(file), **span})


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join tables by file, start and end; a table of whole files says its for all their parts."""
    parts = [frame for frame in frames if (frame.index.get_level_values(2) != "").any()]
    if not parts or len(parts) == len(frames):
        return pd.concat(frames, axis=1)
    joined = pd.concat(parts, axis=1)
    files = joined.index.get_level_values(0)
    for frame in frames:
        if not any(frame is part for part in parts):
            beside = frame.droplevel([1, 2]).reindex(files)
            joined = pd.concat([joined, beside.set_axis(joined.index)], axis=1)
    return joined


@contextmanager
def _readable(root: Path) -> Iterator[None]:
    """Say of a database that audformat cannot read that it is damaged."""
    try:
        yield
    except TokserError:
        raise
    except Exception as error:
        # audformat checks little: a damaged file may end in any error of yaml, pandas or pyarrow.
        reason = " ".join(str(error).split())[:200]
        raise ManifestError(
            root,
            expected="a complete audformat database",
            got=f"{type(error).__name__}: {reason}",
            remedy="Load it again with `audb.load`, or save it again with `Database.save`.",
        ) from error


def _frame(database: Any, name: str) -> pd.DataFrame:
    """Return a table; index file, start and end in s, which are empty for a whole file."""
    table = database[name]
    frame = pd.DataFrame({"": 0}, index=table.index)
    frame.index = _spans_of(table)
    columns: dict[str, list[Any]] = {}
    for column in table.columns:
        columns |= _readable_cells(database, table, column)
    for column, values in columns.items():
        frame[column] = pd.Series([_text(value) for value in values], frame.index, dtype=object)
    return frame.drop(columns="")


def _spans_of(table: Any) -> pd.MultiIndex:
    files = [str(file) for file in table.files]
    if not table.is_segmented:
        return pd.MultiIndex.from_tuples([(file, "", "") for file in files])
    spans = []
    for file, start, end in zip(files, table.starts, table.ends, strict=True):
        first = start.total_seconds()
        if pd.isna(end):
            # Without an end it is the rest of the file, which only its header can tell.
            if first:
                raise ManifestError(
                    f"{file}, from {first:g} s",
                    expected="segments with an end",
                    got="none",
                    remedy="Write the ends into the table (`audformat.utils.to_segmented_index` "
                    "with `allow_nat=False`).",
                )
            spans.append((file, "", ""))
        else:
            spans.append((file, f"{first:.6f}", f"{end.total_seconds():.6f}"))
    return pd.MultiIndex.from_tuples(spans)


def _readable_cells(database: Any, table: Any, column: str) -> dict[str, list[Any]]:
    """Return a column, and what its scheme says about its codes."""
    values = _cells(table[column].get())
    scheme_id = table[column].scheme_id
    labels = database.schemes[scheme_id].labels if scheme_id else None
    if isinstance(labels, str):  # the name of a table about them
        about = database.misc_tables[labels].get().astype(object).to_dict("index")
    elif isinstance(labels, Mapping):
        about = dict(labels)
    else:
        return {column: values}
    if all(isinstance(meaning, str) for meaning in about.values()):
        return {column: [about.get(code, code) for code in values]}
    fields = dict.fromkeys(name for meaning in about.values() for name in meaning)
    return {column: values} | {
        name: [about.get(code, {}).get(name) for code in values] for name in fields
    }


def _cells(values: pd.Series) -> list[Any]:
    """Return cells as what they are: whole numbers beside empty cells become no fractions."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        kinds = [*values.cat.categories, None]
        return [kinds[code] for code in values.cat.codes]
    return list(values.astype(object))


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def _import_audformat() -> Any:
    try:
        return importlib.import_module("audformat")
    except ImportError as error:
        raise MissingPackageError(
            "audformat",
            expected="audformat, to read its databases",
            got=str(error),
            remedy='pip install "tokser[import]"',
        ) from error
