"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tokser.console import PlainConsole, shown

__all__ = ["Task", "console", "progress_bar", "say"]

_LINE_EVERY_S = 10.0
console = PlainConsole(stderr=True)


class Task(Protocol):
    """A piece of work whose progress is shown."""

    def advance(self, amount: int = 1) -> None:
        """Count `amount` more units as done."""


def say(message: str) -> None:
    """Tell the user one line on standard error."""
    console.print(message, soft_wrap=True)


@contextmanager
def progress_bar(description: str, *, total: int, unit: str) -> Iterator[Task]:
    """Show the progress of `total` units of work while the block runs."""
    if not sys.stderr.isatty():
        yield _Lines(description, total, unit)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(shown(description), total=total, unit=shown(unit))
        yield _Bar(bars, task)


class _Bar:
    def __init__(self, bars: Progress, task: object) -> None:
        self._bars, self._task = bars, task

    def advance(self, amount: int = 1) -> None:
        self._bars.advance(self._task, amount)  # type: ignore[arg-type]  # rich's own TaskID


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
