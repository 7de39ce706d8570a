"""Progress of an extraction: utterances, hours, speed, GB, what is left, the current shard."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from tokser.console import shown
from tokser.progress import console, has_bars, say

__all__ = ["LINE_EVERY_S", "Meter", "Pace", "metered"]

LINE_EVERY_S = 10.0
"""How often a line is said where there is no terminal."""


@dataclass
class Pace:
    """How far an extraction is.

    Attributes:
        total: Utterances to do.
        num_shards: Shards to do.
        done: Utterances done, wherever.
        encoded: Those that were encoded here.
        set_aside: Those of shards written here that no pass was run for.
        audio_s: Audio of those, in seconds; for text, of what was said.
        num_bytes: Bytes committed here.
        shards_done: Shards done, wherever.
        shard: The last one that was committed here.
    """

    total: int
    num_shards: int
    done: int = 0
    encoded: int = 0
    set_aside: int = 0
    audio_s: float = 0.0
    num_bytes: int = 0
    shards_done: int = 0
    shard: int | None = None

    def times_real_time(self, seconds: float) -> float:
        """Audio encoded here over the time it took."""
        return self.audio_s / max(seconds, 1e-9)

    def seconds_left(self, seconds: float) -> float | None:
        """What is left at the pace so far; None before there is one."""
        if not self.encoded:
            return None
        return seconds * (self.total - self.done) / self.encoded

    def line(self, name: str, seconds: float, state: str) -> str:
        """Return all of it as one line of JSON."""
        left = self.seconds_left(seconds)
        facts: dict[str, Any] = {
            "stage": "extract",
            "encoder": name,
            "state": state,
            "utterances": self.done,
            "utterances_total": self.total,
            "audio_hours": round(self.audio_s / 3600, 4),
            "times_real_time": round(self.times_real_time(seconds), 2),
            "gb_written": round(self.num_bytes / 1e9, 4),
            "shards": self.shards_done,
            "shards_total": self.num_shards,
            "shard": self.shard,
            "seconds": round(seconds, 1),
            "eta_s": None if left is None else round(left, 1),
        }
        return json.dumps(facts)


class Meter:
    """Counts what is done, from any thread, and shows it.

    Args:
        name: The encoder.
        pace: What there is to do.
        bars: Where it is shown on a terminal; without one, lines are said now and then.
        label: What is shown in front of the bar.
        every_s: How often.
    """

    def __init__(
        self,
        name: str,
        pace: Pace,
        bars: Progress | None = None,
        *,
        label: str = "",
        every_s: float = LINE_EVERY_S,
    ) -> None:
        self.name, self.pace, self._every_s = name, pace, every_s
        self._lock = threading.Lock()
        self._started = self._spoke = time.monotonic()
        self._bars = bars
        if bars is not None:
            self._task = bars.add_task(shown(name), total=pace.total, facts="", label=shown(label))

    @property
    def seconds(self) -> float:
        """Time since it was begun."""
        return time.monotonic() - self._started

    def encoded(self, num_utterances: int, audio_s: float) -> None:
        """Count utterances that a pass was run for, and their audio in seconds."""
        with self._lock:
            self.pace.encoded += num_utterances
            self.pace.done += num_utterances
            self.pace.audio_s += audio_s
            self._show()

    def committed(self, shard: int, *, num_bytes: int, num_unusable: int = 0) -> None:
        """Count a shard that was written, and its utterances that no pass was run for."""
        with self._lock:
            self.pace.shard = shard
            self.pace.num_bytes += num_bytes
            self.pace.shards_done += 1
            self.pace.set_aside += num_unusable
            self.pace.done += num_unusable
            self._show()

    def done_elsewhere(self, num_utterances: int) -> None:
        """Count a shard that another process has written."""
        with self._lock:
            self.pace.done += num_utterances
            self.pace.shards_done += 1
            self._show()

    def end(self, state: str) -> None:
        """Say a last line where there is no terminal."""
        if self._bars is None:
            say(self.pace.line(self.name, self.seconds, state))

    def _show(self) -> None:
        if self._bars is not None:
            self._bars.update(self._task, completed=self.pace.done, facts=self._facts())
        elif time.monotonic() - self._spoke >= self._every_s:
            self._spoke = time.monotonic()
            say(self.pace.line(self.name, self.seconds, "running"))

    def _facts(self) -> str:
        pace, seconds = self.pace, self.seconds
        facts = [f"{pace.num_bytes / 1e9:.2f} GB", f"shard {pace.shards_done}/{pace.num_shards}"]
        if pace.audio_s:
            speed = f"{pace.times_real_time(seconds):.1f} x real time"
            facts = [f"{pace.audio_s / 3600:.2f} h", speed, *facts]
        left = pace.seconds_left(seconds)
        if left is not None:
            facts.append(f"{int(left) // 3600}:{int(left) // 60 % 60:02}:{int(left) % 60:02} left")
        return ", ".join(facts)


@contextmanager
def metered(label: str, name: str, pace: Pace) -> Iterator[Meter]:
    """Show the pace of an extraction while the block runs.

    Args:
        label: What is shown in front of the bar.
        name: The encoder, as lines name it.
        pace: What there is to do.
    """
    if not has_bars():
        meter = Meter(name, pace)
        with _ended(meter):
            yield meter
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[label]}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:,}/{task.total:,} utterances"),
        TextColumn("{task.fields[facts]}", markup=False),
    )
    with Progress(*columns, console=console()) as bars:
        yield Meter(name, pace, bars, label=label)


@contextmanager
def _ended(meter: Meter) -> Iterator[None]:
    state = "stopped"
    try:
        yield
        state = "done"
    finally:
        meter.end(state)
