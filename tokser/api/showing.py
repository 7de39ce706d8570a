"""`tokser.show_progress`: messages and progress bars, for a program or a notebook that asks."""

import logging
import sys

from tokser import notebook, progress
from tokser.plain_text import shown

__all__ = ["show_progress"]


class _Lines(logging.Handler):
    """Writes records as lines: on standard error, or below the cell of a notebook."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        is_warning = record.levelno >= logging.WARNING
        stream = sys.stderr if is_warning or not notebook.in_notebook() else sys.stdout
        try:
            if stream is sys.stderr and progress.has_bars():
                progress.console().print(record.getMessage(), soft_wrap=True)
            else:
                stream.write(f"{shown(record.getMessage())}\n")
        except OSError:
            self.handleError(record)


_LINES = _Lines()
_before: list[int] = []
"""The logger's level before, while lines are shown."""


def show_progress(on: bool = True) -> None:
    """Show messages and progress bars of calls from now on, or no longer.

    Without it a call prints nothing. In a notebook bars and lines stand below the cell that runs;
    elsewhere they go to standard error, bars where that is a terminal.

    Args:
        on: Whether they are shown.

    Example:
        >>> import tokser
        >>> tokser.show_progress()
        >>> tokser.show_progress(False)
    """
    logger = progress.LOGGER
    if on and not _before:
        _before.append(logger.level)
        logger.addHandler(_LINES)
        logger.setLevel(logging.INFO)
    elif not on and _before:
        logger.removeHandler(_LINES)
        logger.setLevel(_before.pop())
    progress.show_bars(on)
