"""Where the records of the logger `tokser` go: lines on standard error, as plain text."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from tokser import progress

__all__ = ["Verbosity", "choose_verbosity", "messages_shown"]

Verbosity = Literal["quiet", "normal", "verbose"]
_LEVELS = {"quiet": logging.WARNING, "normal": logging.INFO, "verbose": logging.DEBUG}


class _Lines(logging.Handler):
    """Writes each record as a line of text; what was meant for a terminal to obey is taken out."""

    with_times = False

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if self.with_times:
            when = time.strftime("%H:%M:%S", time.localtime(record.created))
            text = f"{when} {record.levelname.lower()} {text}"
        try:
            progress.console().print(text, soft_wrap=True)
        except OSError:
            self.handleError(record)


@contextmanager
def messages_shown(verbosity: Verbosity = "normal") -> Iterator[None]:
    """Show tokser's messages and progress bars on standard error while the block runs."""
    logger = progress.LOGGER
    before = logger.level, logger.handlers[:]
    logger.handlers = [_Lines()]
    choose_verbosity(verbosity)
    try:
        with progress.bars_shown():
            yield
    finally:
        logger.setLevel(before[0])
        logger.handlers = before[1]


def choose_verbosity(verbosity: Verbosity | str) -> None:
    """Say what is shown from now on: warnings alone, messages, or details with times."""
    logger = progress.LOGGER
    logger.setLevel(_LEVELS[verbosity])
    for handler in logger.handlers:
        if isinstance(handler, _Lines):
            handler.with_times = verbosity == "verbose"
    progress.show_bars(verbosity != "quiet")
