"""Declarations of corpora as files: read, checked, and their faults named by line."""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tokser.corpora.declared.declaration import Column, Declaration, Table
from tokser.corpora.declared.fields import fields_in
from tokser.corpora.manifest import COLUMNS
from tokser.errors import SettingsError, list_some
from tokser.yaml_file import Place, read_located_yaml

__all__ = ["OF_PATH", "read_declaration"]

OF_PATH = ("name", "path", "folder")
"""Fields that every recording has: its name without ending, its path, and its folder's."""

_OF_TABLE = ("file", "folder")
_MEASURED = ("path", "num_samples", "sampling_rate_hz")
_MOST_FAULTS = 20


def read_declaration(path: Path) -> Declaration:
    """Read and check the declaration of a corpus.

    Args:
        path: A YAML file.

    Raises:
        MissingInputError: There is no such file.
        SettingsError: It is no YAML, has an unknown key or a wrong value, or names a field, a
            table or a column that is not there; each with its line.
    """
    content, lines = read_located_yaml(
        path,
        kind="the declaration of a corpus (YAML)",
        keys="keys such as dataset, languages, layout, files and columns",
        example="data_manifests/ravdess.yaml",
    )
    try:
        declaration = Declaration.model_validate(content)
    except ValidationError as error:
        faults = [(tuple(one["loc"]), Declaration._describe(one)) for one in error.errors()]
        raise _wrong(path, faults, lines) from error
    if faults := list(_faults_of(declaration)):
        raise _wrong(path, faults, lines)
    return declaration


def _wrong(
    path: Path, faults: Iterable[tuple[tuple[Any, ...], str]], lines: Mapping[Place, int]
) -> SettingsError:
    found = sorted((_line_of(place, lines), text) for place, text in faults)
    texts = [f"line {line}: {text}" for line, text in dict.fromkeys(found)]
    return SettingsError(
        path,
        expected="the declaration of a corpus, with keys and values that are allowed",
        got="; ".join(texts[:_MOST_FAULTS])
        + (f"; and {len(texts) - _MOST_FAULTS} more" if len(texts) > _MOST_FAULTS else ""),
        remedy="Correct the named lines.",
    )


def _line_of(place: tuple[Any, ...], lines: Mapping[Place, int]) -> int:
    """Return the line of a place, or of the nearest one around it."""
    while place not in lines:
        place = place[:-1]
    return lines[place]


def _faults_of(declaration: Declaration) -> Iterator[tuple[Place, str]]:
    """Find what single values cannot tell: names that are not there, expressions that are wrong."""
    files, rows, tables = declaration.files, declaration.rows, declaration.tables
    if not declaration.reader and (files is None) == (rows is None):
        yield (), "either `files` or `rows` (a table that lists the utterances) is needed"
        return
    if rows is not None and rows.table not in tables:
        yield ("rows", "table"), _unknown("table", rows.table, tables)
        return
    groups = _groups_of(files.pattern) if files is not None else set()
    if isinstance(groups, str):
        yield ("files", "pattern"), groups
        return
    known = {*OF_PATH, *groups}
    listing = rows.table if rows is not None else ""
    for name, table in tables.items():
        yield from _faults_of_table(("tables", name), table, known, listing)
    if declaration.annotations is not None:
        yield from _faults_of_table(("annotations",), declaration.annotations, known, "")
        label = declaration.annotations.label
        if bool(label.value) == bool(label.file) or label.file:
            yield ("annotations", "label"), "`value` is needed, with fields of the row in braces"
    for name, column in declaration.columns.items():
        place: Place = ("columns", name)
        if name in _MEASURED:
            yield place, f"column {name!r} is read from the recordings"
        yield from _faults_of_column(place, column, known, tables, listing)
    yield from _faults_of_subsets(declaration, known, listing)


def _faults_of_table(
    place: Place, table: Table, known: set[str], listing: str
) -> Iterator[tuple[Place, str]]:
    try:
        codecs.lookup(table.encoding)
    except LookupError:
        yield (*place, "encoding"), f"encoding {table.encoding!r} is unknown"
    expressions = {("line",): table.line, ("skip",): table.skip}
    expressions |= {("where", name): text for name, text in table.where.items()}  # type: ignore[misc]
    for inner, expression in expressions.items():
        groups = _groups_of(expression)
        if isinstance(groups, str):
            yield (*place, *inner), groups
        elif inner == ("line",) and expression:
            fields = {*groups, *_OF_TABLE}
            unknown = [one for one in fields_in(table.key) if one not in fields]
            if unknown:
                yield (*place, "key"), _unknown("field", unknown[0], fields)
    if place[-1] == listing:
        return
    if not table.key or not table.match:
        yield place, "`key` (of its rows) and `match` (the same of a recording) are needed"
    for one in fields_in(table.match):
        if one not in known and not listing:
            yield (*place, "match"), _unknown("field", one, known)


def _faults_of_column(
    place: Place, column: Column, known: set[str], tables: Mapping[str, Table], listing: str
) -> Iterator[tuple[Place, str]]:
    if bool(column.value) == bool(column.file):
        yield place, "either `value` or `file` is needed"
    if column.parity is not None and column.values:
        yield place, "either `values` or `parity`, not both"
    for one in (*fields_in(column.value), *fields_in(column.file)):
        table, dot, _ = one.partition(".")
        if dot and table not in tables:
            yield place, _unknown("table", table, tables)
        elif not dot and one not in known and not listing:
            yield place, _unknown("field", one, known)


def _faults_of_subsets(
    declaration: Declaration, known: set[str], listing: str
) -> Iterator[tuple[Place, str]]:
    columns = {*COLUMNS, *declaration.columns} - {*_MEASURED}
    for name, subset in declaration.subsets.items():
        place: Place = ("subsets", name)
        for key in ("keep", "drop", "at_least"):
            for column in getattr(subset, key):
                if column not in columns:
                    yield (*place, key, column), _unknown("column", column, columns)
        for table in subset.needs:
            if table not in declaration.tables:
                yield (*place, "needs"), _unknown("table", table, declaration.tables)
        if subset.label is not None:
            yield from _faults_of_column(
                (*place, "label"), subset.label, known, declaration.tables, listing
            )


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f"no {what} {name!r}; there are {list_some(sorted(known), most=20) or 'none'}"


def _groups_of(expression: str) -> set[str] | str:
    """Return the named groups of a regular expression, or what is wrong with it."""
    try:
        return set(re.compile(expression).groupindex)
    except re.error as error:
        return f"no regular expression ({error}): {expression}"
