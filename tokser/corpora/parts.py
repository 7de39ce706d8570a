"""Utterances that are parts of longer recordings: where they begin and end."""

import math
from collections.abc import Mapping
from typing import Any

from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.errors import AudioError

__all__ = [
    "END",
    "START",
    "fault_of_part",
    "first_sample",
    "name_of_part",
    "part_length",
    "part_of",
]

START, END = "start_s", "end_s"
"""Optional columns of a manifest: seconds from the recording's beginning; empty: all of it."""

_BEYOND_S = 0.5
"""How far a part may reach beyond its recording, where it is cut: published times are so rough."""


def part_of(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return where an utterance begins and ends in its recording, in s; None: it is all of it."""
    start, end = (str(row.get(column, "")) for column in (START, END))
    return (float(start), float(end)) if start and end else None


def fault_of_part(row: Mapping[str, Any]) -> str:
    """Return what is wrong with the cells of a part; empty if nothing is."""
    start, end = (str(row.get(column, "")).strip() for column in (START, END))
    if not start and not end:
        return ""
    if not (start and end):
        return f"{START} {start!r} and {END} {end!r}: either both or neither"
    try:
        first, last = float(start), float(end)
    except ValueError:
        first = last = math.nan
    if not (math.isfinite(first) and math.isfinite(last)):
        return f"{START} {start!r} and {END} {end!r} are not both numbers of seconds"
    if first >= last:
        return f"{START} {start!r} is not before {END} {end!r}"
    return f"{START} {start!r} is before the recording" if first < -_BEYOND_S else ""


def part_length(part: tuple[float, float], num_samples: int, sampling_rate_hz: int) -> int:
    """Count the samples of a part, as recorded.

    Args:
        part: Where it begins and ends, in s.
        num_samples: Length of the recording.
        sampling_rate_hz: Its rate.

    Returns:
        The count; what reaches beyond the recording by up to half a second is cut.

    Raises:
        AudioError: The part is empty, or reaches further beyond the recording.
    """
    start, end = part
    last = min(round(end * sampling_rate_hz), num_samples)
    count = last - round(max(start, 0.0) * sampling_rate_hz)
    length_s = num_samples / sampling_rate_hz
    if count <= 0 or end > length_s + _BEYOND_S:
        raise AudioError(
            f"{START} {start:g}, {END} {end:g}",
            expected="a part within its recording",
            got=f"a part from {start:g} to {end:g} s of a recording of {length_s:.2f} s",
            remedy="Correct the times.",
        )
    return count


def first_sample(part: tuple[float, float], sampling_rate_hz: int) -> int:
    """Return the first sample of a part at 16 kHz.

    Rounded down, so that the part, whose length is rounded up, lies within the recording.
    """
    first = round(max(part[0], 0.0) * sampling_rate_hz)
    return first * SAMPLING_RATE_HZ // sampling_rate_hz


def name_of_part(name: str, row: Mapping[str, Any]) -> str:
    """Return the id of a part that has none: its recording's name, and its times in ms."""
    part = part_of(row)
    return name if part is None else f"{name}-{round(part[0] * 1000)}-{round(part[1] * 1000)}"
