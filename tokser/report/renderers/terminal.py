"""Tables on the terminal, with rich."""

from rich import box
from rich.table import Table as RichTable
from rich.text import Text as RichText

from tokser.plain_text import shown as printable
from tokser.report.table import Cell, Column, ColumnGroup, Table, Text, is_strong, shown

__all__ = ["render_terminal"]


def render_terminal(table: Table) -> RichTable:
    """Return a table that a console prints: names fold, numbers do not; stamps are red."""
    notes = "\n".join(table.notes) or None
    found = RichTable(
        title=table.caption,
        caption=notes,
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
    )
    for group in table.groups:
        for column in group.columns:
            is_text = column.kind == "text"
            found.add_column(
                _heading(group, column),
                justify="left" if is_text else "right",
                overflow="fold" if is_text else "ellipsis",
                no_wrap=not is_text,
            )
    for row in table.rows:
        found.add_row(*map(_cell, row))
    if table.totals:
        found.add_section()
        found.add_row(*map(_cell, table.totals))
    return found


def _heading(group: ColumnGroup, column: Column) -> RichText:
    """Put the title and the stamps of a group above its first column."""
    name = f"{column.name} [95 %]" if column.kind == "interval" else column.name
    if column is not group.columns[0] or not group.title:
        return RichText(printable(name))
    stamps = "".join(f"{stamp}\n" for stamp in group.stamp.split(", ") if stamp)
    return RichText.assemble(
        printable(f"{group.title}\n"), (printable(stamps), "red"), printable(name)
    )


def _cell(cell: Cell) -> RichText:
    is_stamp = isinstance(cell, Text) and cell.mark == "stamp"
    style = "red" if is_stamp else "bold" if is_strong(cell) else ""
    return RichText(printable(shown(cell)), style)
