"""Tables beside the recordings of a corpus: CSV, TSV, JSON, or lines of text."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tokser.corpora.cells import read_cells
from tokser.corpora.declared.declaration import Table
from tokser.corpora.declared.fields import fill
from tokser.corpora.declared.paths import Listing
from tokser.corpora.text_file import read_text
from tokser.errors import CorpusError, list_some

__all__ = ["JoinedTable", "Row", "read_rows"]

Row = dict[str, str]


class JoinedTable:
    """A table whose rows are found by what they are about."""

    def __init__(self, name: str, table: Table, root: Path, listing: Listing) -> None:
        """Read a table.

        Raises:
            CorpusError: It is not there although it has to be, is malformed, or has two
                different rows about one thing.
        """
        self.name, self.table = name, table
        rows = read_rows(name, table, root, listing)
        self.columns: tuple[str, ...] = tuple(dict.fromkeys(key for row in rows for key in row))
        self.is_there = bool(rows)
        self._rows: dict[str, Row] = {}
        clashes = []
        for row in rows:
            key = self._filled(table.key, row)
            known = self._rows.setdefault(key, row)
            if known != row:
                clashes.append(key)
        if clashes:
            raise CorpusError(
                root,
                expected=f"one row of the table {name!r} for each {table.key}",
                got=f"different rows for {list_some(list(dict.fromkeys(clashes)))}",
                remedy="Correct the table, or its `key` or `where`.",
            )

    def fields(self, recording: Mapping[str, str]) -> tuple[Row, bool]:
        """Return the fields of a recording's row, `table.column`, and whether it has a row."""
        row = self._rows.get(fill(self.table.match, recording))
        found = row or {}
        return {f"{self.name}.{column}": found.get(column, "") for column in self.columns}, (
            row is not None
        )

    def _filled(self, text: str, row: Row) -> str:
        try:
            return fill(text, row)
        except KeyError as error:
            raise CorpusError(
                self.table.files[0],
                expected=f"a table with a column {error.args[0]!r}",
                got=list_some(list(row), most=30) or "no column",
                remedy="Use the table as it is published, or correct the declaration.",
            ) from error


def read_rows(name: str, table: Table, root: Path, listing: Listing) -> list[Row]:
    """Read the rows of all files of a table that its `where` selects.

    Args:
        name: Its name, for messages.
        table: Its declaration.
        root: The corpus's folder.
        listing: The files below it.

    Returns:
        Fields of each row: its columns, `file` (the name without ending) and `folder`. Columns
        without a name are `column_1` and so on, by their place.

    Raises:
        CorpusError: There is no file although there has to be one, or one is malformed.
    """
    paths = listing.matching(table.files)
    if not paths and table.required:
        raise CorpusError(
            root,
            expected=f"the table {name!r}: {list_some(table.files)}",
            got="no such file",
            remedy="Fetch it with the corpus, and leave it where it was.",
        )
    kept = {column: re.compile(text) for column, text in table.where.items()}
    rows = []
    for path in paths:
        whole = PurePosixPath(path)
        beside = {"file": whole.stem, "folder": whole.parent.as_posix()}
        for row in _rows_of(root / path, table):
            if all(kept[column].fullmatch(row.get(column, "")) for column in kept):
                rows.append(beside | row)
    return rows


def _rows_of(path: Path, table: Table) -> Iterator[Row]:
    if table.line:
        yield from _rows_of_lines(path, table)
    elif path.suffix.lower() == ".json":
        yield from _rows_of_json(path, table.encoding)
    else:
        cells = read_cells(path, table.encoding)
        header = [name.strip() or f"column_{i}" for i, name in enumerate(cells.header, start=1)]
        for _, texts in cells.lines:
            yield dict(zip(header, (text.strip() for text in texts), strict=False))


def _rows_of_lines(path: Path, table: Table) -> Iterator[Row]:
    expression, skipped = re.compile(table.line), re.compile(table.skip or ".*")
    strange = []
    for number, line in enumerate(read_text(path, table.encoding).splitlines(), start=1):
        match = expression.fullmatch(line.strip())
        if match is not None:
            yield {key: (text or "").strip() for key, text in match.groupdict().items()}
        elif line.strip() and not skipped.fullmatch(line.strip()):
            strange.append(f"line {number}: {line!r}")
    if strange:
        raise CorpusError(
            path,
            expected=f"lines such as {table.line}",
            got=list_some(strange, most=20),
            remedy="Fetch the file again.",
        )


def _rows_of_json(path: Path, encoding: str) -> Iterator[Row]:
    """Yield the objects of a list, or those of an object with what they are called as `key`."""
    try:
        content: Any = json.loads(read_text(path, encoding))
    except (ValueError, RecursionError) as error:
        raise _no_json(path, str(error)) from error
    if isinstance(content, dict):
        content = [
            {"key": key} | value if isinstance(value, dict) else value
            for key, value in content.items()
        ]
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise _no_json(path, "something else")
    for one in content:
        yield {key: _text(value) for key, value in one.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _no_json(path: Path, got: str) -> CorpusError:
    return CorpusError(
        path,
        expected="JSON: an object, or a list, of objects",
        got=got,
        remedy="Fetch the file again.",
    )
