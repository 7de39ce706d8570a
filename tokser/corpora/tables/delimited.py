"""A user's own CSV: comma, semicolon or tab between cells, a header, a line an utterance."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from tokser.corpora.tables.records import Record
from tokser.corpora.transcript import read_text
from tokser.errors import ManifestError

__all__ = ["read_delimited"]

_DELIMITERS = ",;\t"


def read_delimited(path: Path) -> Iterator[Record]:
    """Read a CSV in UTF-8 or Latin-1; the delimiter is the one that its header has most of.

    Raises:
        ManifestError: It is no CSV, or columns share a name.
    """
    text = read_text(path)
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(lines, [])]
        cells = [(lines.line_num, line) for line in lines if any(line)]
    except csv.Error as error:
        raise _no_table(path, f"line {lines.line_num}: {error}") from error
    wrong = [name or "(none)" for name in dict.fromkeys(header) if header.count(name) > 1]
    if wrong or not any(header):
        raise _no_table(path, f"columns {', '.join(wrong)} twice" if wrong else "no header")
    for number, line in cells:
        faults: tuple[str, ...] = ()
        if len(line) != len(header):
            faults = (f"{len(line)} cells under {len(header)} columns",)
        known = {name: cell for name, cell in zip(header, line, strict=False) if name}
        yield Record(f"line {number}", known, faults)


def _no_table(path: Path, got: str) -> ManifestError:
    return ManifestError(
        path,
        expected="a CSV with a header, every column once",
        got=got,
        remedy="Correct the named place, or save the table as CSV again.",
    )
