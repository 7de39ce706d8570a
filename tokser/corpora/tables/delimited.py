"""A user's own CSV: comma, semicolon or tab between cells, a header, a line an utterance."""

from collections.abc import Iterator
from pathlib import Path

from tokser.corpora.cells import read_cells
from tokser.corpora.tables.records import Record
from tokser.errors import ManifestError, list_some
from tokser.progress import say, warn

__all__ = ["read_delimited"]


def read_delimited(path: Path) -> Iterator[Record]:
    """Read a CSV in UTF-8, UTF-16 or Windows-1252, and say which of them unless it is UTF-8.

    Raises:
        ManifestError: It is no CSV, is in no known encoding, has no line, or columns share a name.
    """
    table = read_cells(path)
    if table.encoding == "cp1252":
        warn(f"{path}: not UTF-8, read as Windows-1252; if letters are wrong, save it as UTF-8")
    elif table.encoding != "utf-8":
        say(f"{path}: read as {table.encoding.upper()}")
    header = [name.strip() for name in table.header]
    named = [name for name in header if name]
    wrong = [name for name in dict.fromkeys(named) if named.count(name) > 1]
    if wrong:
        raise _no_table(path, f"columns {', '.join(wrong)} twice")
    if not named:
        raise _no_table(path, "no header")
    if not table.lines:
        raise _no_table(path, f"the header {list_some(named, most=30)} and no other line")
    nameless = [place for place, name in enumerate(header, start=1) if not name]
    if any(place <= len(line) and line[place - 1] for _, line in table.lines for place in nameless):
        warn(f"{path}: column {list_some(nameless)} has no name and is ignored")
    for number, line in table.lines:
        faults: tuple[str, ...] = ()
        if len(line) != len(header):
            faults = (f"{len(line)} cells under {len(header)} columns",)
        known = {name: cell for name, cell in zip(header, line, strict=False) if name}
        yield Record(f"line {number}", known, faults)


def _no_table(path: Path, got: str) -> ManifestError:
    return ManifestError(
        path,
        expected="a CSV with a header, unique column names, and one line per utterance",
        got=got,
        remedy="Correct it, or save the table as CSV again.",
    )
