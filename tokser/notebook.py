"""What a notebook shows: progress bars and tables, as HTML of the cell that runs.

rich and tqdm need ipywidgets for a bar in a notebook, and warn where it is missing; a bar that is a
display of its own, updated in place, renders in Jupyter, VS Code and a notebook saved as HTML.
"""

import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from html import escape
from importlib import import_module
from typing import Any

from tokser.plain_text import shown

__all__ = ["NotebookBar", "in_notebook", "table_html", "without_widgets"]

_QUIET_S = 0.4
"""Work that takes less has no bar."""
_BETWEEN_S = 0.1
_STYLE = "margin:.2em 0;font-variant-numeric:tabular-nums"
_TABLE = "border-collapse:collapse;margin:.3em 0;font-variant-numeric:tabular-nums"
_HEAD = "padding:.15em .8em .15em 0;border-bottom:1px solid currentColor;vertical-align:bottom"
_CELL = "padding:.15em .8em .15em 0;vertical-align:top"
_NOTE = "margin:.1em 0;opacity:.8;font-size:.9em"


def in_notebook() -> bool:
    """Tell whether this process is a kernel of Jupyter, whose cells show HTML."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def without_widgets() -> None:
    """Import tqdm, which transformers and lightning bring, without its advice on ipywidgets.

    Its bars are not used: a notebook would show the advice for nothing.
    """
    if in_notebook() and "tqdm.auto" not in sys.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module("tqdm.auto")


class NotebookBar:
    """A bar below the cell that runs; at the end, one line that says what was done.

    Args:
        label: What is done.
        total: Units of work.
        unit: What they are.
    """

    def __init__(self, label: str, total: int, unit: str) -> None:
        self._label, self._total, self._unit = shown(label), total, shown(unit)
        self._done, self._facts = 0, ""
        self._started = time.monotonic()
        self._drawn = self._started + _QUIET_S - _BETWEEN_S
        self._handle: Any = None

    def advance(self, amount: int = 1) -> None:
        """Count `amount` more units as done."""
        self.show(self._done + amount)

    def show(self, done: int, facts: str = "") -> None:
        """Say how many units are done, and what else there is to say."""
        self._done, self._facts = done, facts
        if time.monotonic() - self._drawn >= _BETWEEN_S:
            self._draw(f"<progress value='{self._done}' max='{max(self._total, 1)}'></progress> ")

    def close(self) -> None:
        """Leave the line behind, if a bar was drawn."""
        if self._handle is not None:
            self._draw("")

    def _draw(self, bar: str) -> None:
        from IPython.display import HTML, display

        self._drawn = time.monotonic()
        seconds = self._drawn - self._started
        count = f"{self._done:,}/{self._total:,} {self._unit} in {seconds:.1f} s"
        text = ", ".join(filter(None, (f"{self._label}: {count}", shown(self._facts))))
        content = HTML(f"<div style='{_STYLE}'>{bar}{escape(text)}</div>")
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)


def table_html(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Iterable[int] = (),
    strong: Iterable[tuple[int, int]] = (),
    notes: Sequence[str] = (),
) -> str:
    """Write a table as HTML that takes the colours of the page that it is shown on.

    Args:
        caption: What it shows.
        headings: Of the columns; a line feed breaks the line.
        rows: A text for each column.
        right: Columns that are numbers, which are set to the right.
        strong: Rows and columns of cells in bold.
        notes: What a reader must know, below it.
    """
    numbers, bold = set(right), set(strong)

    def cell(tag: str, style: str, column: int, text: str, row: int = -1) -> str:
        side = "right" if column in numbers else "left"
        inner = escape(shown(text)).replace("\n", "<br>")
        inner = f"<strong>{inner}</strong>" if (row, column) in bold else inner
        return f'<{tag} style="{style};text-align:{side}">{inner}</{tag}>'

    head = "".join(cell("th", _HEAD, place, text) for place, text in enumerate(headings))
    body = "".join(
        "<tr>" + "".join(cell("td", _CELL, c, text, r) for c, text in enumerate(row)) + "</tr>"
        for r, row in enumerate(rows)
    )
    below = "".join(f'<p style="{_NOTE}">{escape(shown(note))}</p>' for note in notes)
    title = f'<p style="margin:.1em 0"><strong>{escape(shown(caption))}</strong></p>'
    table = f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f"<div>{title}{table}{below}</div>"
