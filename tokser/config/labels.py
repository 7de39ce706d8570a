"""Settings of `tokser labels` and of `tokser relabel`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import LARGEST, NumFolds, Positive, Seed

__all__ = ["LabelsSettings", "RelabelSettings"]

_Name = Annotated[str | None, Option(metavar="NAME", unset="auto: what dev prefers")]
_Number = Annotated[int, Field(ge=0, le=LARGEST)]


class LabelsSettings(Settings):
    """`tokser labels`: which labels are doubtful, and who says so."""

    TOPICS: ClassVar = {
        "Input": ("store", "features", "root"),
        "Model": ("protocol", "num_folds", "seed"),
        "Results instead of training": ("results", "head"),
        "Neighbours": ("num_neighbours", "neighbours_from", "neighbour_features"),
        "Output": ("out", "listed", "audio"),
        "Computation": ("check",),
    }

    store: Annotated[
        str | None, Option(metavar="PATH|URL", unset="the store that --results were made from")
    ] = None
    """Folder or URL of the store."""
    features: Annotated[
        str | None,
        Option(metavar="EXPRESSION", unset="auto: dev selects among all that are pooled"),
    ] = None
    """One expression over features, as for `tokser classify`: whisper-base/layer-3, a + b, or
    best(whisper-base/layer-*), where dev selects in each fold."""
    root: Annotated[
        Path | None, Option(kind="folder", unset="the folder that the store was extracted from")
    ] = None
    """Folder of the corpus, where its recordings are played from."""
    protocol: Annotated[
        Literal["speaker", "kfold", "random", "text", "fixed"] | None,
        Option(unset="speaker; of --results that lack it: text, kfold, fixed or random"),
    ] = None
    """Who is predicted by whom. speaker: each speaker (or session) by a model of the others; kfold:
    whole speakers distributed over --folds, for corpora of many. With --results, any that the
    folder has."""
    num_folds: NumFolds = 5
    """Folds of the protocol kfold."""
    seed: Seed = 0
    """Distributes speakers over the folds of kfold."""
    results: Annotated[
        Path | None, Option(kind="folder", unset="logistic regression is trained")
    ] = None
    """Folder of `tokser classify`, whose predictions of test parts are taken."""
    head: _Name = None
    """Head among those of --results."""
    num_neighbours: Annotated[Positive, Option(name="--neighbours")] = 10
    """Nearest utterances whose labels are counted."""
    neighbours_from: Literal["other-speakers", "all"] = "other-speakers"
    """Whom neighbours may be spoken by: a speaker's own voice is nearer than any emotion."""
    neighbour_features: Annotated[
        str | None, Option(metavar="EXPRESSION", unset="auto: those of the model")
    ] = None
    """Pooled features that neighbours are found by."""
    out: Annotated[Path | None, Option(short="-o", kind="folder", unset="nothing is written")] = (
        None
    )
    """Folder of the tables doubtful.csv and label-noise.csv, and of the page doubtful.html."""
    listed: Positive = 100
    """Most doubtful utterances that the page lists."""
    audio: Annotated[_Number, Option(metavar="N")] = 100
    """How many of them can be played: their recordings are put into the page, as Ogg/Opus, some
    5 kB a second. The size is said before."""
    check: bool = True
    """Compare what is read from the store with its checksums."""


class RelabelSettings(Settings):
    """`tokser relabel`: a new manifest with labels as they were decided."""

    TOPICS: ClassVar = {"Input": ("decisions", "manifest", "store"), "Output": ("out",)}

    decisions: Annotated[Path, Option(is_argument=True, kind="file")]
    """CSV with the columns id, label, decision (keep, change, remove) and new_label, as the page of
    `tokser labels` exports it."""
    manifest: Annotated[Path | None, Option(kind="file", unset="that of --store")] = None
    """Manifest whose labels are corrected; it stays as it is."""
    store: Annotated[str | None, Option(metavar="PATH|URL", unset="--manifest is read")] = None
    """Store whose manifest is read; it stays as it is."""
    out: Annotated[Path, Option(short="-o", kind="file")]
    """The new manifest; nothing may be there yet."""
