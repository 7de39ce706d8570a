"""How tables on the terminal are laid out."""

from collections.abc import Sequence
from typing import Any

from rich.table import Column, Table

__all__ = ["NARROW", "add_some", "folded_table"]

NARROW: dict[str, Any] = {"padding": (0, 0, 0, 1), "pad_edge": False}
"""Options of a table with many columns."""
_MOST_ROWS = 20


def folded_table(*headings: str, title: str | None = None) -> Table:
    """Return a table that breaks long names, addresses and digests over lines, and cuts none."""
    return Table(*(Column(heading, overflow="fold") for heading in headings), title=title)


def add_some(table: Table, rows: Sequence[tuple[str, ...]]) -> None:
    """Add the first rows, and say how many more there are."""
    for row in rows[:_MOST_ROWS]:
        table.add_row(*row)
    if len(rows) > _MOST_ROWS:
        table.add_row(f"and {len(rows) - _MOST_ROWS} more", *[""] * (len(rows[0]) - 1))
