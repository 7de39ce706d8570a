"""Settings of `tokser fit`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.calibration import Coverages, SetScore
from tokser.config.frame_heads import FRAME_HEADS, FrameHeadSettings
from tokser.config.grid import ONE_POINT, GridSettings
from tokser.config.head_grid import HeadGrid
from tokser.config.option import Option
from tokser.config.values import (
    DatasetName,
    Device,
    HeadName,
    NumFolds,
    Positive,
    ProtocolName,
    Seed,
    TargetName,
    Track,
)

__all__ = ["FitSettings"]


class FitSettings(Settings):
    """`tokser fit`: one model of one feature expression, and how its score is found."""

    TOPICS: ClassVar = {
        "Input": ("dataset", "store", "features", "functionals", "runs"),
        "Model": (
            *("head", "head_grid", "target", "subset", "standardise", "grid", "grid.epochs"),
            *("grid.class_weights", "grid.early_stopping"),
        ),
        "Frame heads": FRAME_HEADS,
        "Score": (
            *("protocol", "splits_file", "num_folds", "group_by", "stratify", "seed"),
            *("results", "ledger"),
        ),
        "Calibration": ("calibrate", "coverage", "set_score"),
        "Output": ("out", "track"),
        "Computation": ("device", "frames_mb", "check"),
    }

    dataset: DatasetName
    """Name of the corpus that the store holds."""
    store: Annotated[str, Option(metavar="PATH|URL", unset="WORKSPACE/stores/DATASET.zarr")]
    """Folder or URL of the store."""
    features: Annotated[str, Option(metavar="EXPRESSION")]
    """One feature expression: whisper-base/layer-3; a + b (one head on both); mean(a, b),
    weighted(a, b) (a head on each, averaged); best(whisper-base/layer-*) (dev selects one)."""
    out: Annotated[Path, Option(short="-o", kind="folder", unset="WORKSPACE/models/DATASET")]
    """Folder of the model."""
    track: Track = ()
    """Tracker that is told of settings and score, as for `tokser classify`."""
    functionals: Annotated[
        tuple[str, ...],
        Field(min_length=1),
        Option(aliases=("--functional",), joined=",", metavar="NAME,..."),
    ] = ("mean", "std")
    """Functionals of features that name none, as for `tokser classify`."""
    runs: Annotated[
        tuple[Path, ...],
        Option(
            name="--run",
            kind="folder",
            unset="auto: the folders runs and results beside the store's",
        ),
    ] = ()
    """Folder of the pretraining run of a feature RUN/aligned, or of the results of `tokser tune`
    for a layer of tuned blocks: the model keeps a copy of the aligner or the blocks."""
    head: Annotated[HeadName | None, Option(unset="mlp; with --target: ridge")] = None
    """What is trained. Of classes: mlp (the paper's), linear, logreg, svm, mlp-sklearn; of numbers:
    ridge, mlp, linear, mlp-sklearn; of both: attentive, emobox, transformer, cross-attention (on
    frames), superb (on means). Or package.module:Class of scikit-learn's contract."""
    head_grid: HeadGrid = Field(default_factory=dict)
    """Grid of a head that is package.module:Class, as for `tokser classify`."""
    target: Annotated[TargetName | None, Option(unset="the emotion label")] = None
    """Dimension to predict instead of the emotion."""
    subset: Literal["all", "labelled"] = "all"
    """Utterances of a dimension. all: every one that has ratings; labelled: those with an emotion
    label, too."""
    standardise: Literal["global", "speaker"] = "global"
    """global: by statistics of what is trained on; speaker: before that, each speaker by statistics
    of all of that speaker's recordings. Then predicting needs speakers, too."""
    grid: Annotated[
        GridSettings,
        Option(
            metavar="[baseline|proposed|KEY=VALUES,...]",
            bare="baseline",
            given="batch_size=32,lr=1e-3",
        ),
    ] = Field(default_factory=lambda: GridSettings(**ONE_POINT))
    """Grid that networks are searched over, as for `tokser classify`."""
    protocol: ProtocolName = "speaker"
    """Protocol whose folds select (by their dev parts) and score (by their test parts). speaker (or
    loso): leave one speaker or session out; random leaks speakers, and the model card says so;
    fixed, text, kfold as for `tokser classify`."""
    splits_file: Annotated[Path | None, Option(name="--splits", kind="file")] = None
    """Splits by id instead of a protocol: a file that holds one, as for `tokser classify`."""
    num_folds: NumFolds = 5
    """Folds of the protocol kfold."""
    group_by: Literal["speaker", "session", "sentence"] = "speaker"
    """What kfold keeps together."""
    stratify: bool = True
    """Give each part of the random split its share of every class."""
    seed: Seed = 0
    """Seed of splits, weights and order."""
    results: Annotated[
        Path | None, Option(kind="folder", unset="computed, into the folder OUT-results")
    ] = None
    """Folder of `tokser classify` or `regress` that holds the score: of the same store, features,
    head, protocol and grid."""
    calibrate: bool = True
    """Calibrate the probabilities of classes by a temperature, and fit thresholds of prediction
    sets: on the protocol's test predictions, each by a model that was not trained on the
    speaker."""
    coverage: Coverages = (0.9,)
    """How often prediction sets are to hold the true class; several can be chosen among when
    predicting."""
    set_score: SetScore = "lac"
    """What prediction sets are made by, as for `tokser classify`."""
    ledger: Annotated[
        Path | None,
        Option(kind="file", unset="ledger.jsonl in the folder above the store's, or in its own"),
    ] = None
    """Record of all runs' test-set evaluations."""
    check: bool = True
    """Compare what is read from the store with its checksums."""
    device: Device = "auto"
    """Device to compute on; auto: a GPU where there is one."""
    frame_heads: Annotated[FrameHeadSettings, Option(shown=False)] = Field(
        default_factory=FrameHeadSettings
    )
    """Options of the heads over frames."""
    frames_mb: Positive = 1024
    """Memory in MB for frames, as for `tokser classify`."""
