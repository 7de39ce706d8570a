"""Tables as LaTeX, for the packages booktabs and textcomp."""

from collections.abc import Iterable

from tokser.plain_text import one_line
from tokser.report.table import Cell, Column, Table, is_strong, shown

__all__ = ["render_latex"]

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


def render_latex(table: Table) -> str:
    """Write a table for a paper: one `table` environment, columns grouped, notes below."""
    aligned = "".join("l" if column.kind == "text" else "r" for column in table.columns)
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_escaped(table.caption)}}}",
        rf"  \label{{tab:{table.name}}}",
        rf"  \begin{{tabular}}{{{aligned}}}",
        r"    \toprule",
        *_group_headings(table),
        _line(_heading(column) for column in table.columns),
        r"    \midrule",
        *(_line(map(_cell, row)) for row in table.rows),
        *((r"    \midrule", _line(map(_cell, table.totals))) if table.totals else ()),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\smallskip\footnotesize {_escaped(n)}" for n in (*table.stamps, *table.notes)),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _group_headings(table: Table) -> tuple[str, ...]:
    if not any(group.title for group in table.groups):
        return ()
    cells, rules, start = [], [], 1
    for group in table.groups:
        width = len(group.columns)
        if group.title:
            cells.append(rf"\multicolumn{{{width}}}{{c}}{{{_escaped(group.title)}}}")
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        else:
            cells += [""] * width
        start += width
    return _line(cells), f"    {' '.join(rules)}"


def _heading(column: Column) -> str:
    return _escaped(f"{column.name} [95 %]" if column.kind == "interval" else column.name)


def _line(cells: Iterable[str]) -> str:
    """Write one line; `[` or `*` at its start would be an argument of what ends the line before."""
    text = " & ".join(cells)
    return f"    {'{}' if text.startswith(('[', '*')) else ''}{text} \\\\"


def _cell(cell: Cell) -> str:
    text = _escaped(shown(cell))
    return rf"\textbf{{{text}}}" if text and is_strong(cell) else text


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in one_line(text))
