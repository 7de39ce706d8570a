"""Tables as CSV, for spreadsheets and other programs."""

import csv
import io
import re

from tokser.plain_text import one_line
from tokser.report.table import Cell, Number, Share, Table, shown

__all__ = ["render_csv"]

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


def render_csv(table: Table) -> str:
    """Write a table for other programs.

    Shares are in percent with six significant digits. Ends of intervals, and counts behind shares,
    have columns of their own. Notes are the last lines, behind `#`. A text that a spreadsheet would
    take for a formula begins with an apostrophe.
    """
    extras = [_extra_columns(table, i) for i in range(len(table.columns))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = [
        name if not extra else f"{name} {extra}"
        for name, columns in zip(table.headings, extras, strict=True)
        for extra in ("", *columns)
    ]
    writer.writerow(map(_no_formula, heads))
    for row in table.body:
        cells = zip(row, extras, strict=True)
        writer.writerow(value for cell, columns in cells for value in _values(cell, len(columns)))
    notes = (*table.stamps, *table.notes)
    return text.getvalue() + "".join(f"# {one_line(note)}\n" for note in notes)


def _extra_columns(table: Table, column: int) -> tuple[str, ...]:
    cells = [row[column] for row in table.body]
    if any(isinstance(cell, Number) and cell.low is not None for cell in cells):
        return "low", "high"
    return ("count",) if any(isinstance(cell, Share) for cell in cells) else ()


def _values(cell: Cell, num_extra: int) -> list[str]:
    """Write a cell and its extra columns, `1 + num_extra` texts."""
    if isinstance(cell, Number):
        values = (cell.value, cell.low, cell.high)[: 1 + num_extra]
        return ["" if value is None else f"{cell.scale * value:.6g}" for value in values]
    if isinstance(cell, Share):
        return [f"{100 * cell.share:.6g}", str(cell.count)]
    text = shown(cell) if isinstance(cell, int) else _no_formula(shown(cell))
    return [text, *[""] * num_extra]


def _no_formula(text: str) -> str:
    """Return a text that no spreadsheet computes; a number stays one."""
    text = one_line(text)
    is_formula = text.startswith(("=", "+", "-", "@")) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text
