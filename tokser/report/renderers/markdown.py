"""Tables as Markdown, with pipes."""

import re
from collections.abc import Sequence

from tokser.plain_text import one_line
from tokser.report.table import Cell, Table, is_strong, shown

__all__ = ["render_markdown"]


def render_markdown(table: Table) -> str:
    """Write a table with its caption above and its notes below; each row is one line."""
    intervals = [" [95 %]" if column.kind == "interval" else "" for column in table.columns]
    headings = [f"{name}{end}" for name, end in zip(table.headings, intervals, strict=True)]
    lines = [
        f"**{_escaped(table.caption)}**",
        "",
        _line([_escaped(heading) for heading in headings]),
        _line(["---" if column.kind == "text" else "---:" for column in table.columns]),
        *(_line([_cell(cell) for cell in row]) for row in table.body),
        "",
        *(f"{_escaped(note)}\n" for note in (*table.stamps, *table.notes)),
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = _escaped(shown(cell))
    return f"**{text}**" if text and is_strong(cell) else text


def _escaped(text: str) -> str:
    return re.sub(r"([\\|*_`<>\[\]&$~])", r"\\\1", one_line(text))
