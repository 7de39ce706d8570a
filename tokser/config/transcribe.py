"""Settings of `tokser transcribe`."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import Device, Positive, Rate

__all__ = ["TranscribeSettings"]


class TranscribeSettings(Settings):
    """`tokser transcribe`: which Whisper fills which manifest's missing transcripts."""

    TOPICS: ClassVar = {
        "Input": ("manifest", "root"),
        "Transcription": ("encoder", "revision", "language", "no_speech_threshold"),
        "Check": ("check", "check_most"),
        "Computation": ("device", "batch_seconds"),
        "Output": ("out",),
    }

    manifest: Annotated[Path, Option(is_argument=True, kind="file")]
    """Manifest (CSV) of `tokser manifest`; it is never changed."""
    root: Annotated[Path | None, Option(kind="folder", unset="that of the manifest")] = None
    """Folder that the paths of the manifest are relative to."""
    encoder: Annotated[str, Option(metavar="ID|FOLDER")] = "openai/whisper-base"
    """Hub id or local folder of a whole Whisper, decoder included."""
    revision: Annotated[str | None, Option(unset="auto: the newest")] = None
    """Branch, tag or commit of a model that comes from the hub."""
    language: Annotated[
        str | None, Option(metavar="NAME", unset="the manifest's column language, else detected")
    ] = None
    """Language of all utterances, for instance de or German."""
    no_speech_threshold: Annotated[float, Field(gt=0, le=1)] = 0.6
    """Probability of no speech, of Whisper's own, above which nothing is written down."""
    check: bool = False
    """Transcribe the utterances that have a transcript as well, and show the word error rate
    (WER) and the character error rate (CER). Needs tokser[transcribe]."""
    check_most: Annotated[Positive | None, Option(metavar="N", unset="all that have one")] = None
    """Most utterances to check, drawn evenly."""
    device: Device = "auto"
    """Device to compute on; auto: a GPU where there is one."""
    batch_seconds: Annotated[Rate | None, Option(unset="auto: 240, 8 recordings")] = None
    """Audio in one batch, each recording padded to 30, in seconds; more needs more memory."""
    out: Annotated[Path | None, Option(short="-o", kind="file", unset="NAME.transcribed.csv")] = (
        None
    )
    """Manifest (CSV) to write, another file than MANIFEST."""
