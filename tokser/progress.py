"""Messages and progress of long work: records of the logger `tokser`, and bars on request.

A library call prints nothing: its messages are log records, which a program shows or keeps as it
likes (`logging.getLogger("tokser")`), and `bars_shown` is the switch for progress bars;
`tokser.show_progress` asks for both. The command line shows both, see `tokser.cli.messages`. Bars
are drawn on a terminal and in a notebook; elsewhere progress is a record now and then.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from tokser.notebook import NotebookBar, in_notebook

if TYPE_CHECKING:
    from tokser.console import PlainConsole

__all__ = [
    "LOGGER",
    "Task",
    "bars_shown",
    "byte_bar",
    "console",
    "has_bars",
    "notebook_bar",
    "progress_bar",
    "say",
    "show_bars",
    "warn",
]

LOGGER = logging.getLogger("tokser")
LOGGER.addHandler(logging.NullHandler())  # or Python itself would print warnings
_LINE_EVERY_S = 10.0
_shown = False
"""Whether somebody asked for progress bars; in all threads."""


class Task(Protocol):
    """A piece of work whose progress is shown."""

    def advance(self, amount: int = 1) -> None:
        """Count `amount` more units as done."""


def say(message: str) -> None:
    """Record a message that users want to read: what is done, skipped or assumed."""
    LOGGER.info("%s", message, stacklevel=2)


def warn(message: str) -> None:
    """Record a message that nobody should miss: something is damaged, lost or left out."""
    LOGGER.warning("%s", message, stacklevel=2)


@cache
def console() -> "PlainConsole":
    """Return the console on standard error that messages and bars share."""
    from tokser.console import PlainConsole  # rich, which `tokser --help` does not need

    return PlainConsole(stderr=True)


def show_bars(on: bool) -> None:
    """Show progress bars from now on, or no longer."""
    global _shown
    _shown = on


@contextmanager
def bars_shown() -> Iterator[None]:
    """Show progress bars while the block runs, on a terminal or in a notebook."""
    before = _shown
    show_bars(True)
    try:
        yield
    finally:
        show_bars(before)


def has_bars() -> bool:
    """Tell whether progress is shown as bars: they were asked for, and there is a terminal."""
    return _shown and sys.stderr.isatty()


@contextmanager
def notebook_bar(description: str, *, total: int, unit: str) -> Iterator[NotebookBar | None]:
    """Draw a bar below the cell of a notebook while the block runs; None: there is no such."""
    bar = NotebookBar(description, total, unit) if _shown and in_notebook() else None
    try:
        yield bar
    finally:
        if bar is not None:
            bar.close()


@contextmanager
def progress_bar(description: str, *, total: int, unit: str) -> Iterator[Task]:
    """Show the progress of `total` units of work while the block runs."""
    with notebook_bar(description, total=total, unit=unit) as drawn:
        if drawn is not None:
            yield drawn
            return
    if not has_bars():
        yield _Lines(description, total, unit)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from tokser.plain_text import shown

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console()) as bars:
        task = bars.add_task(shown(description), total=total, unit=shown(unit))
        yield _Bar(bars, task)


class _Bar:
    def __init__(self, bars: Any, task: Any) -> None:
        self._bars, self._task = bars, task

    def advance(self, amount: int = 1) -> None:
        self._bars.advance(self._task, amount)


class _Lines:
    def __init__(self, description: str, total: int, unit: str) -> None:
        self._label, self._total, self._unit = description, total, unit
        self._done, self._started = 0, time.monotonic()
        self._spoke = self._started

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        now = time.monotonic()
        if self._done >= self._total or now - self._spoke >= _LINE_EVERY_S:
            self._spoke = now
            seconds = now - self._started
            say(f"{self._label}: {self._done}/{self._total} {self._unit} in {seconds:.1f} s")


_MB = 10**6


@contextmanager
def byte_bar(description: str, *, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show progress over `total` bytes, `done` of them earlier; yields a function to add bytes."""
    with progress_bar(description, total=max(1, total // _MB), unit="MB") as bar:
        num_bytes = 0

        def count(more: int) -> None:
            nonlocal num_bytes
            before = num_bytes // _MB
            num_bytes += more
            if num_bytes // _MB > before:
                bar.advance(num_bytes // _MB - before)

        count(done)
        yield count
