"""Settings of `tokser predict` and `tokser export-model`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.calibration import Exchangeable
from tokser.config.option import Option
from tokser.config.values import Device, Rate

__all__ = ["ExportModelSettings", "PredictSettings"]

_Moved = Annotated[
    tuple[str, ...],
    Option(
        name="--encoder",
        aliases=("--encoders",),
        metavar="ID|FOLDER",
        unset="where it was at training",
    ),
]


class PredictSettings(Settings):
    """`tokser predict`: which model predicts which recordings, into which file."""

    TOPICS: ClassVar = {
        "Input": ("model", "inputs", "root", "transcript"),
        "Transcription": ("transcribe", "language"),
        "Time": ("window", "hop"),
        "Encoders": ("encoders", "device", "batch_seconds"),
        "Probabilities": ("probabilities", "sets", "coverage"),
        "Output": ("out", "plot"),
    }

    model: Annotated[Path, Option(is_argument=True, kind="folder")]
    """Folder of the model, written by `tokser fit`."""
    inputs: Annotated[tuple[str, ...], Field(min_length=1), Option(is_argument=True)]
    """Audio files, folders, manifests (.csv), - for a list of paths on standard input, or a
    store."""
    root: Annotated[Path | None, Option(kind="folder", unset="that of the manifest")] = None
    """Folder that the paths of a manifest are relative to."""
    transcript: Annotated[str | None, Option(metavar="TEXT", unset="that of the manifest")] = None
    """What is said in the only recording, for a model that reads text."""
    transcribe: Annotated[
        str | None,
        Option(metavar="[ID|FOLDER]", bare="auto", unset="none: transcripts must be given"),
    ] = None
    """Whisper that transcribes recordings without a transcript first, for a model that reads text;
    without a name (at the end of the line): the model's own Whisper, or openai/whisper-base."""
    language: Annotated[
        str | None, Option(metavar="NAME", unset="that of the manifest, else detected")
    ] = None
    """Language of all recordings, for --transcribe, for instance de or German."""
    window: Annotated[
        Rate | None, Option(metavar="SECONDS", unset="none: recordings are taken whole")
    ] = None
    """Length of the windows that recordings are cut into, in seconds: emotion over time."""
    hop: Annotated[Rate | None, Option(metavar="SECONDS", unset="as long as a window")] = None
    """From the beginning of a window to that of the next, in seconds."""
    encoders: _Moved = ()
    """Encoder that the model reads, if it is elsewhere now; its weights must be the same."""
    device: Device = "auto"
    """Device to compute on; auto: a GPU where there is one."""
    batch_seconds: Annotated[Rate | None, Option(unset="auto: 30 on a CPU, 240 on a GPU")] = None
    """Audio in one batch, padding included, in seconds; more needs more memory."""
    probabilities: Literal["calibrated", "raw"] = "calibrated"
    """calibrated: by the temperature that the model was fitted with, if it was; raw: as the head
    puts them out. The label is the same."""
    sets: Annotated[
        Exchangeable | None, Option(metavar="[speakers|utterances]", bare="speakers")
    ] = None
    """Write a column prediction_set: the classes among which the true one is as often as --coverage
    says, with | between them. speakers: for speakers that are new; utterances: only for utterances
    like those that the model was calibrated by, in smaller sets."""
    coverage: Annotated[
        Annotated[float, Field(gt=0, lt=1)] | None,
        Option(metavar="SHARE", unset="the first one that the model was fitted for"),
    ] = None
    """How often prediction sets are to hold the true class, one that the model was fitted for."""
    out: Annotated[Path | None, Option(short="-o", kind="file", unset="none, a table")] = None
    """File to write: .csv, .parquet or .jsonl. Needed to go on where a call was stopped."""
    plot: Annotated[Path | None, Option(kind="file", unset="none")] = None
    """Picture of one recording over time, with --window: .png, .svg, or .html with a player."""


class ExportModelSettings(Settings):
    """`tokser export-model`: a model as a file that other programs run."""

    TOPICS: ClassVar = {"Input": ("model", "encoders"), "Output": ("format", "out", "with_encoder")}

    model: Annotated[Path, Option(is_argument=True, kind="folder")]
    """Folder of the model, written by `tokser fit`."""
    format: Literal["onnx"] = "onnx"
    """Format of the file."""
    out: Annotated[Path, Option(short="-o", kind="file")]
    """File to write: .onnx."""
    with_encoder: bool = False
    """Write the encoder as well, beside it: Whisper's, from log-mel to the layers that the model
    reads."""
    encoders: _Moved = ()
    """Encoder that the model reads, if it is elsewhere now; its weights must be the same."""
