"""A table of the report as HTML in a notebook, in the colours of the page that it is shown on."""

from tokser.notebook import table_html
from tokser.report.table import Table, is_strong, shown

__all__ = ["shown_table"]


def shown_table(table: Table) -> str:
    """Write a table, with the titles and stamps of its groups in the headings."""
    headings = [
        "\n".join(filter(None, (group.title, group.stamp, column.name)))
        if column is group.columns[0]
        else column.name
        for group in table.groups
        for column in group.columns
    ]
    right = [place for place, column in enumerate(table.columns) if column.kind != "text"]
    strong = [
        (row, place)
        for row, cells in enumerate(table.body)
        for place, cell in enumerate(cells)
        if is_strong(cell)
    ]
    rows = [[shown(cell) for cell in cells] for cells in table.body]
    return table_html(table.caption, headings, rows, right=right, strong=strong, notes=table.notes)
