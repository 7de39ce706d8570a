"""Settings of `tokser manifest segment`."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import Rate

__all__ = ["SegmentSettings"]

_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SegmentSettings(Settings):
    """`tokser manifest segment`: how the recordings of a manifest are cut."""

    TOPICS: ClassVar = {
        "Input": ("manifest", "root"),
        "Voice activity": ("vad", "threshold", "min_speech", "min_silence", "pad", "max_length"),
        "Windows": ("every", "overlap"),
        "Output": ("out", "keep_labels"),
    }

    manifest: Annotated[Path, Option(is_argument=True, kind="file")]
    """Manifest (CSV) of `tokser manifest`; it is never changed."""
    root: Annotated[Path | None, Option(kind="folder", unset="that of the manifest")] = None
    """Folder that the paths of the manifest are relative to."""
    vad: bool = False
    """Cut where somebody speaks, as Silero's voice activity detection finds it. Needs
    tokser[vad]."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability from which 32 ms of sound are speech; speech ends 0.15 below it."""
    min_speech: _Seconds = 0.25
    """Speech that is shorter is left out, in seconds."""
    min_silence: _Seconds = 0.5
    """Silence that is shorter does not end a segment, in seconds."""
    pad: _Seconds = 0.1
    """What is added on either side of speech, in seconds."""
    max_length: Rate = 30.0
    """Longest segment, cut at its longest pause, in seconds; Whisper sees 30 at once."""
    every: Annotated[Rate | None, Option(metavar="SECONDS", unset="none")] = None
    """Cut into windows of this length, in seconds, whether somebody speaks or not."""
    overlap: Annotated[_Seconds, Option(metavar="SECONDS")] = 0.0
    """What two windows share, in seconds."""
    out: Annotated[Path, Option(short="-o", kind="file")]
    """Manifest (CSV) to write: a row for each segment."""
    keep_labels: bool = False
    """Give each segment the label (and valence, arousal, dominance) of its recording. Without,
    these are empty: what is said of a recording need not hold for each part."""
