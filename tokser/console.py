"""The terminal: text is shown as it is, with no markup, no escape sequences and no secrets."""

from typing import Any

from rich.console import Console
from rich.text import Text

from tokser.plain_text import shown

__all__ = ["PlainConsole"]


class PlainConsole(Console):
    """A console of rich that takes text for text; what is to have a style is a `rich.text.Text`.

    Args:
        stderr: Whether it writes to standard error.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a text, a cell of a table for instance, into what is drawn."""
        return super().render_str(shown(text), **options)
