"""A table for a paper or another program: as LaTeX, CSV or Markdown."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from tokser.plain_text import one_line

__all__ = ["Cell", "Number", "Percent", "Table", "TableFormat", "typeset"]

TableFormat = Literal["latex", "csv", "md"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MIDDLE DOT}": r"\textperiodcentered{}",
    "\N{HORIZONTAL ELLIPSIS}": r"\dots{}",
}


_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


@dataclass(frozen=True)
class Number:
    """A number; with the ends of its interval where there is one."""

    value: float
    low: float | None = None
    high: float | None = None
    is_best: bool = False
    """Whether it is the best of its column, which is set bold."""
    digits: int = 2

    scale: ClassVar[float] = 1

    def __str__(self) -> str:
        text = self._told(self.value)
        if self.low is None or self.high is None:
            return text
        return f"{text} [{self._told(self.low)}, {self._told(self.high)}]"

    def _told(self, value: float) -> str:
        return f"{self.scale * value:.{self.digits}f}"


@dataclass(frozen=True)
class Percent(Number):
    """A share, told in percent."""

    digits: int = 1

    scale: ClassVar[float] = 100


Cell: TypeAlias = str | int | Number | None
"""None: there is nothing to tell."""


@dataclass(frozen=True)
class Table:
    """One table, the same in every format.

    Attributes:
        name: Name of its file, and its label.
        title: What it shows.
        columns: Heads; the first column names the row.
        rows: A cell for each column.
        notes: What a reader must know, leaks first.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


def typeset(table: Table, form: TableFormat) -> str:
    """Write a table out.

    LaTeX needs the package booktabs. CSV has shares in percent with all their digits, and the ends
    of intervals in columns of their own; its notes are its last lines, behind `#`. CSV is what
    spreadsheets open: a text that they would take for a formula begins with an apostrophe.
    """
    makers: dict[TableFormat, Callable[[Table], str]] = {
        "latex": _latex,
        "csv": _csv,
        "md": _markdown,
    }
    return makers[form](table)


def _latex(table: Table) -> str:
    numbers = [_is_number_column(table, i) for i in range(len(table.columns))]
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_escaped(table.title)}}}",
        rf"  \label{{tab:{table.name}}}",
        rf"  \begin{{tabular}}{{{''.join('r' if n else 'l' for n in numbers)}}}",
        r"    \toprule",
        _latex_row(_escaped(name) for name in table.columns),
        r"    \midrule",
        *(_latex_row(_latex_cell(cell) for cell in row) for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\smallskip\footnotesize {_escaped(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Iterable[str]) -> str:
    """Write one line; `[` or `*` at its start would be an argument of what ends the line before."""
    text = " & ".join(cells)
    return f"    {'{}' if text.startswith(('[', '*')) else ''}{text} \\\\"


def _latex_cell(cell: Cell) -> str:
    text = _escaped(_told(cell))
    return rf"\textbf{{{text}}}" if isinstance(cell, Number) and cell.is_best else text


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in one_line(text))


def _markdown(table: Table) -> str:
    numbers = [_is_number_column(table, i) for i in range(len(table.columns))]
    lines = [
        f"**{_piped(table.title)}**",
        "",
        _line([_piped(name) for name in table.columns]),
        _line(["---:" if n else "---" for n in numbers]),
        *(_line([_markdown_cell(cell) for cell in row]) for row in table.rows),
        "",
        *(f"{_piped(note)}\n" for note in table.notes),
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(cell: Cell) -> str:
    text = _piped(_told(cell))
    return f"**{text}**" if isinstance(cell, Number) and cell.is_best else text


def _piped(text: str) -> str:
    return re.sub(r"([\\|*_`<>\[\]&$~])", r"\\\1", one_line(text))


def _csv(table: Table) -> str:
    spread = [
        any(isinstance(row[i], Number) and row[i].low is not None for row in table.rows)  # type: ignore[union-attr]
        for i in range(len(table.columns))
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads: list[str] = []
    for name, has_ends in zip(table.columns, spread, strict=True):
        heads += [name, f"{name} low", f"{name} high"] if has_ends else [name]
    writer.writerow(map(_no_formula, heads))
    for row in table.rows:
        cells: list[str] = []
        for cell, has_ends in zip(row, spread, strict=True):
            cells += _csv_cells(cell, has_ends)
        writer.writerow(cells)
    return text.getvalue() + "".join(f"# {one_line(note)}\n" for note in table.notes)


def _csv_cells(cell: Cell, has_ends: bool) -> list[str]:
    if not isinstance(cell, Number):
        text = _no_formula(cell) if isinstance(cell, str) else _told(cell)
        return [text, "", ""] if has_ends else [text]
    values = (cell.value, cell.low, cell.high) if has_ends else (cell.value,)
    return ["" if value is None else f"{cell.scale * value:.6g}" for value in values]


def _no_formula(text: str) -> str:
    """Return a text that no spreadsheet computes; a number stays one."""
    text = one_line(text)
    is_formula = text.startswith(("=", "+", "-", "@")) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def _told(cell: Cell) -> str:
    return "" if cell is None else str(cell)


def _is_number_column(table: Table, column: int) -> bool:
    cells = [row[column] for row in table.rows if row[column] not in (None, "")]
    return bool(cells) and all(isinstance(cell, int | Number) for cell in cells)
