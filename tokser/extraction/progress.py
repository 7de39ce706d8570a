"""Progress of an extraction: utterances, hours, speed, GB, time left, the current shard."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from tokser.notebook import NotebookBar
from tokser.plain_text import shown
from tokser.progress import console, has_bars, notebook_bar, say

__all__ = [
    "LINE_EVERY_S",
    "ExtractionProgress",
    "ProgressReporter",
    "Reported",
    "report_all",
    "report_progress",
]

LINE_EVERY_S = 10.0
"""How often a line is printed where there is no terminal."""


@dataclass
class ExtractionProgress:
    """How much of an extraction is done.

    Attributes:
        total: Utterances to do.
        num_shards: Shards to do.
        kind: `speech` or `text`; the speed of text is in utterances, not in audio.
        done: Utterances done, here or elsewhere.
        encoded: Those that were encoded here.
        quarantined: Those of shards written here that were never in a batch.
        audio_s: Audio that was encoded here, in seconds; for text, that of its recordings.
        num_bytes: Bytes committed here.
        shards_done: Shards done, here or elsewhere.
        shard: The last one that was committed here.
    """

    total: int
    num_shards: int
    kind: str = "speech"
    done: int = 0
    encoded: int = 0
    quarantined: int = 0
    audio_s: float = 0.0
    num_bytes: int = 0
    shards_done: int = 0
    shard: int | None = None

    def times_real_time(self, seconds: float) -> float:
        """Audio encoded here over the time it took."""
        return self.audio_s / max(seconds, 1e-9)

    def seconds_left(self, seconds: float) -> float | None:
        """Time left at the speed so far; None before there is one."""
        if not self.encoded:
            return None
        return seconds * (self.total - self.done) / self.encoded

    def describe(self, seconds: float) -> str:
        """Say what was done in the time so far, how fast, and how much is left."""
        facts = []
        if self.audio_s and self.kind == "speech":
            speed = f"{self.times_real_time(seconds):.1f} x real time"
            facts = [f"{self.audio_s / 3600:.2f} h of audio", speed]
        elif self.encoded:
            facts = [f"{self.encoded / max(seconds, 1e-9):.1f} utterances/s"]
        facts += [f"{self.num_bytes / 1e9:.2f} GB", f"shard {self.shards_done}/{self.num_shards}"]
        left = self.seconds_left(seconds)
        if left:
            facts.append(f"{_clock(left)} left")
        return ", ".join(facts)

    def line(self, name: str, seconds: float, state: str) -> str:
        """Return all of it as one line."""
        done = f"{self.done:,}/{self.total:,} utterances"
        return f"{name}: {state}, {done}, {self.describe(seconds)}, {_clock(seconds)} so far"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


class ProgressReporter:
    """Counts what is done, from any thread, and shows it.

    Args:
        name: The encoder.
        progress: What there is to do.
        bars: Bars on a terminal; without any, a line is printed every `every_s` seconds.
        label: Text before the bar.
        below_cell: A bar in a notebook.
        every_s: Time between two lines; infinite: none.
    """

    def __init__(
        self,
        name: str,
        progress: ExtractionProgress,
        bars: Progress | None = None,
        *,
        label: str = "",
        below_cell: NotebookBar | None = None,
        every_s: float = LINE_EVERY_S,
    ) -> None:
        self._below_cell = below_cell
        self.name, self.progress, self._every_s = name, progress, every_s
        self._lock = threading.Lock()
        self._started = self._printed = time.monotonic()
        self._bars = bars
        if bars is not None:
            self._task = bars.add_task(
                shown(name), total=progress.total, facts="", label=shown(label)
            )

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._started

    def encoded(self, num_utterances: int, audio_s: float) -> None:
        """Count the utterances of a batch, and their audio in seconds."""
        with self._lock:
            self.progress.encoded += num_utterances
            self.progress.done += num_utterances
            self.progress.audio_s += audio_s
            self._show()

    def committed(self, shard: int, *, num_bytes: int, num_quarantined: int = 0) -> None:
        """Count a shard that was written, and its utterances that were never in a batch."""
        with self._lock:
            self.progress.shard = shard
            self.progress.num_bytes += num_bytes
            self.progress.shards_done += 1
            self.progress.quarantined += num_quarantined
            self.progress.done += num_quarantined
            self._show()

    def done_elsewhere(self, num_utterances: int) -> None:
        """Count a shard that another process has written."""
        with self._lock:
            self.progress.done += num_utterances
            self.progress.shards_done += 1
            self._show()

    def end(self, state: str) -> None:
        """Print a last line where there is no bar that leaves one."""
        if self._bars is None and self._below_cell is None:
            say(self.progress.line(self.name, self.seconds, state))

    def _show(self) -> None:
        if self._bars is not None:
            self._bars.update(
                self._task, completed=self.progress.done, facts=self.progress.describe(self.seconds)
            )
        elif self._below_cell is not None:
            self._below_cell.show(self.progress.done, self.progress.describe(self.seconds))
        elif time.monotonic() - self._printed >= self._every_s:
            self._printed = time.monotonic()
            say(self.progress.line(self.name, self.seconds, "running"))


class Reported(NamedTuple):
    """An extraction whose progress is to be shown."""

    label: str
    """Text before the bar."""
    name: str
    """The encoder, as lines name it."""
    progress: ExtractionProgress
    """What there is to do."""


@contextmanager
def report_progress(
    label: str, name: str, progress: ExtractionProgress
) -> Iterator[ProgressReporter]:
    """Show the progress of an extraction while the block runs; see `Reported`."""
    with report_all([Reported(label, name, progress)]) as (reporter,):
        yield reporter


@contextmanager
def report_all(parts: Sequence[Reported]) -> Iterator[list[ProgressReporter]]:
    """Show the progress of several extractions, which run at the same time, one below the other."""
    if not has_bars():
        with ExitStack() as stack:
            reporters = []
            for label, name, progress in parts:
                bar = notebook_bar(label, total=progress.total, unit="utterances")
                below_cell = stack.enter_context(bar)
                reporter = ProgressReporter(name, progress, below_cell=below_cell)
                reporters.append(stack.enter_context(_ended(reporter)))
            yield reporters
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[label]}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:,}/{task.total:,} utterances"),
        TextColumn("{task.fields[facts]}", markup=False),
    )
    with Progress(*columns, console=console()) as bars:
        yield [
            ProgressReporter(name, progress, bars, label=label) for label, name, progress in parts
        ]


@contextmanager
def _ended(reporter: ProgressReporter) -> Iterator[ProgressReporter]:
    state = "stopped"
    try:
        yield reporter
        state = "done"
    finally:
        reporter.end(state)
