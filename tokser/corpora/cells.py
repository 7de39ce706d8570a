"""Tables as text: comma, semicolon or tab between cells, however they were saved."""

import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

from tokser.corpora.text_file import decode
from tokser.errors import InputError, ManifestError

__all__ = ["Cells", "read_cells"]

_DELIMITERS = ",;\t"
_SEPARATOR = re.compile(r"(?:sep|Sep|SEP)=(.)(?:\r\n?|\n)")
"""The first line that Excel writes, or asks for, to say what stands between cells."""
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class Cells(NamedTuple):
    """A table as it stands in its file."""

    header: list[str]
    lines: list[tuple[int, list[str]]]
    """Line number and cells, blank lines left out."""
    delimiter: str
    encoding: str


def read_cells(path: Path, fallback: str = "cp1252") -> Cells:
    """Read a table; the delimiter is the one that its header has most of.

    Cells beyond the header's are dropped where they are empty, as spreadsheets write them.

    Args:
        path: The file.
        fallback: Encoding of text that is neither UTF-8 nor UTF-16.

    Raises:
        ManifestError: It is a workbook, no CSV, or in no known encoding.
    """
    with path.open("rb") as file:
        if file.read(4) in _WORKBOOKS:
            raise _no_table(path, "a workbook of Excel or another spreadsheet")
    try:
        text, encoding = decode(path, fallback)
    except InputError as error:
        raise _no_table(path, f"no {error.expected}") from error
    separator = _SEPARATOR.match(text)
    body = text[separator.end() :] if separator else text
    first_line = 1 if separator else 0
    header_line = re.split(r"[\r\n]", body, maxsplit=1)[0]
    delimiter = separator[1] if separator else max(_DELIMITERS, key=header_line.count)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        lines = [
            (first_line + reader.line_num, _fitted(line, len(header)))
            for line in reader
            if any(cell.strip() for cell in line)
        ]
    except csv.Error as error:
        raise _no_table(path, f"line {first_line + reader.line_num}: {error}") from error
    return Cells(header, lines, delimiter, encoding)


def _fitted(line: list[str], width: int) -> list[str]:
    return line[:width] if not any(line[width:]) else line


def _no_table(path: Path, got: str) -> ManifestError:
    return ManifestError(
        path,
        expected="a text table (CSV)",
        got=got,
        remedy="Save it as CSV again: `CSV UTF-8` in Excel, `Text CSV` in LibreOffice.",
    )
