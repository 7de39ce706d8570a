"""One renderer for each format of a table."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from tokser.report.renderers.csv import render_csv
from tokser.report.renderers.latex import render_latex
from tokser.report.renderers.markdown import render_markdown
from tokser.report.table import Table

__all__ = ["TABLE_FORMATS", "TableFormat", "render_table"]

TableFormat = Literal["latex", "csv", "md"]

TABLE_FORMATS: Mapping[TableFormat, tuple[str, Callable[[Table], str]]] = MappingProxyType(
    {
        "latex": (".tex", render_latex),
        "csv": (".csv", render_csv),
        "md": (".md", render_markdown),
    }
)
"""Suffix of the file, and what renders it."""


def render_table(table: Table, form: TableFormat) -> str:
    """Write a table in one of the formats that are files."""
    return TABLE_FORMATS[form][1](table)
