"""The terminal: text is shown as it is, with no markup, no escape sequences and no secrets."""

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from tokser.plain_text import plain
from tokser.redaction import redacted

__all__ = ["UTF_8_REMEDY", "PlainConsole", "bear_any_text", "shown"]

UTF_8_REMEDY = "Set PYTHONUTF8=1, or LC_ALL=C.UTF-8"


def shown(text: object) -> str:
    """Return a text as it may be printed."""
    return plain(redacted(str(text)))


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


def bear_any_text() -> None:
    """Let standard output and error write what their encoding lacks as escapes, and not fail.

    File names need an encoding that has all letters, or files that are there are not found: where
    the environment has another, a line on standard error names the variable to set.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and getattr(stream, "errors", "") in ("strict", None):
            reconfigure(errors="backslashreplace")
    encoding = sys.getfilesystemencoding()
    if encoding.lower() not in ("utf-8", "utf8"):
        sys.stderr.write(
            f"This environment has {encoding}, not UTF-8: names of files with other letters are "
            f"not found. {UTF_8_REMEDY}.\n"
        )
