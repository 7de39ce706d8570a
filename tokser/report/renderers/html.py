"""Tables as HTML: one macro, which the page's own templates call."""

from collections.abc import Callable
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from tokser.report.table import Cell, ColumnGroup, Number, Share, Table, Text

__all__ = ["environment", "render_html"]


def environment() -> Environment:
    """Return what renders the templates: every text is escaped, an unknown name is an error."""
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_template),
    )
    filters: dict[str, Callable[..., Any]] = {
        "breakable": _breakable,
        "kind_of": _kind_of,
        "width": _width,
    }
    made.filters.update(filters)
    return made


def render_html(table: Table) -> str:
    """Write one table: a region that scrolls, and the notes below it."""
    return str(environment().get_template("table.html.jinja").module.render(table))  # type: ignore[attr-defined]


def _template(name: str) -> str:
    folder = resources.files("tokser.report").joinpath("templates")
    return folder.joinpath(name).read_text(encoding="utf-8")


def _breakable(text: object) -> Markup:
    """Let a long name break after its slashes, which keeps it readable on a phone."""
    return Markup("/<wbr>").join(escape(part) for part in str(text).split("/"))


def _kind_of(cell: Cell) -> str:
    if isinstance(cell, Text):
        return cell.mark
    if isinstance(cell, Number):
        return "number"
    return "share" if isinstance(cell, Share) else "count" if isinstance(cell, int) else "text"


def _width(group: ColumnGroup) -> int:
    """Count a group's columns on the page, where an interval has one of its own."""
    return sum(2 if column.kind == "interval" else 1 for column in group.columns)
