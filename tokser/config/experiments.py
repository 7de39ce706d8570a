"""Settings of `tokser classify`, `tokser regress` and `tokser audit`."""

import itertools
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from tokser.config.base import Settings
from tokser.config.calibration import CalibratedBy, Coverages, SetScore
from tokser.config.frame_heads import FRAME_HEADS, FrameHeadSettings
from tokser.config.grid import ONE_POINT, GridSettings
from tokser.config.head_grid import HeadGrid
from tokser.config.option import Option
from tokser.config.values import (
    ClassifierName,
    Cluster,
    DatasetName,
    Device,
    Few,
    NumFolds,
    Positive,
    ProtocolName,
    RegressorName,
    Scheduler,
    Seed,
    Store,
    Stores,
    TargetName,
    Track,
)

__all__ = ["AuditSettings", "ClassifySettings", "ExperimentBase", "RegressSettings"]

_Protocols = Annotated[
    tuple[ProtocolName, ...],
    Option(
        name="--protocol",
        aliases=("--protocols",),
        joined=",",
        metavar="NAME,...",
        unset="auto: random,speaker, or all that --splits has",
    ),
]
_SplitsFile = Annotated[Path | None, Option(name="--splits", metavar="FILE|FOLDER")]
SplitsFormat = Literal["tokser", "emobox", "emo-superb", "superb", "msp-podcast", "meld"]
_NumSeeds = Annotated[Few, Option(name="--seeds")]
_Grid = Annotated[
    GridSettings,
    Option(
        metavar="[baseline|proposed|KEY=VALUES,...]", bare="baseline", given="batch_size=32,lr=1e-3"
    ),
]
_SPLITS = (
    "protocols",
    "splits_file",
    "splits_format",
    "num_folds",
    "group_by",
    "stratify",
    "seed",
    "num_seeds",
)
AGE_BANDS = (18.0, 30.0, 45.0, 60.0)
"""Ages at which a new band begins."""
GROUP_SETTINGS = ("by", "age_bands")
"""Settings that decide which groups are scored apart."""
_INPUT = ("dataset", "store", "features", "functionals")
_EVALUATION = ("standardise", "refit", "ledger", *GROUP_SETTINGS)


def _increasing(edges: tuple[float, ...]) -> tuple[float, ...]:
    """Refuse edges of bands that do not increase."""
    if any(low >= high for low, high in itertools.pairwise(edges)):
        raise ValueError("each age must be higher than the one before")
    return edges


class _SplitSettings(Settings):
    """How utterances are split into train, dev and test."""

    protocols: _Protocols = ()
    """Protocols of the split. random: 70:20:10, leaks speakers; speaker (or loso): leave one
    speaker or session out; fixed: one published split by speakers; text: as speaker, and no
    sentence of test in train; kfold: complete groups distributed over folds."""
    splits_file: _SplitsFile = None
    """Splits by id instead of protocols: a splits.json of another results folder, or what `tokser
    manifest emobox --splits-out` wrote. A fold without dev gets one from train."""
    splits_format: SplitsFormat = "tokser"
    """Form of --splits. tokser: as above; or as others publish them. emobox: data/DATASET with
    folders fold_1, fold_2; emo-superb: data/CORPUS/Primary with labels_consensus_1.csv; superb:
    s3prl's downstream/emotion/meta_data (Session1 to Session5); msp-podcast: Partitions.txt or
    labels_consensus.csv, each test set a protocol; meld: train, dev and test_sent_emo.csv."""
    num_folds: NumFolds = 5
    """Folds of the protocol kfold."""
    group_by: Literal["speaker", "session", "sentence"] = "speaker"
    """What kfold keeps together."""
    stratify: bool = True
    """Give each part of the random split its share of every class; the paper's split does not."""
    seed: Seed = 0
    """First seed of splits, weights and order."""
    num_seeds: _NumSeeds = 1
    """Number of seeds, counted from --seed."""

    @property
    def names_utterances(self) -> bool:
        """Whether a file lists every utterance that is used, so that none of them may be unfit."""
        return self.splits_file is not None and self.splits_format == "tokser"


class ExperimentBase(_SplitSettings):
    """What classification and regression share."""

    dataset: DatasetName
    """Name of the corpus that the store holds."""
    store: Annotated[Stores, Option(metavar="PATH|URL", unset="WORKSPACE/stores/DATASET.zarr")]
    """Folder or URL of the store. Named several times, the stores are read as one dataset, which
    --dataset names: ids and speakers begin with their corpus, and scores are given by corpus."""
    features: Annotated[
        tuple[str, ...],
        Option(joined=", ", splits=False, metavar="EXPRESSION,...", unset="all that are pooled"),
    ] = ()
    """Expressions over features: whisper-base/layer-6; a + b (one classifier on both); mean(a, b),
    weighted(a, b) (several classifiers, averaged); best(whisper-base/layer-*) (dev selects);
    mix(whisper-base/layer-*) (layers whose weights a head learns); a:max (another functional)."""
    functionals: Annotated[
        tuple[str, ...],
        Field(min_length=1),
        Option(aliases=("--functional",), joined=",", metavar="NAME,..."),
    ] = ("mean", "std")
    """Functionals of features that name none: mean, std, and min, max, q25 and so on if `tokser
    pool --functional` wrote them."""
    standardise: Literal["global", "speaker"] = "global"
    """global: by statistics of train only; speaker: before that, each speaker by statistics of
    all of that speaker's recordings, without labels."""
    refit: bool = True
    """Train what dev selected (grid point, epoch, penalty) again on train and dev together, for
    as many epochs, before it is tested. Without, it is tested as selected: the paper's way."""
    ledger: Annotated[
        Path | None,
        Option(kind="file", unset="ledger.jsonl in the folder above the store's, or in its own"),
    ] = None
    """Record of all runs' test-set evaluations: each line says how many other runs had evaluated
    a test set that overlaps."""
    check: bool = True
    """Compare what is read from the store with its checksums, so that a flipped bit is an error
    and no other score."""
    device: Device = "auto"
    """Device to compute on; auto: a GPU where there is one."""
    frame_heads: Annotated[FrameHeadSettings, Option(shown=False)] = Field(
        default_factory=FrameHeadSettings
    )
    """Options of the heads over frames."""
    frames_mb: Positive = 1024
    """Memory in MB for frames of attentive, emobox, transformer and cross-attention: what a GPU may
    hold, or, where the store cannot be mapped (compressed, HDF5, remote), what is kept from epoch
    to epoch."""
    search: Literal["grid", "optuna"] = "grid"
    """grid: every point is tried. optuna: each fold draws --trials points, by what its own dev part
    said of those before: learning rates between the ends of the grid, batch sizes and widths among
    those in it, parameters of --head-grid. Needs tokser[search]."""
    trials: Few = 50
    """Points that each fold draws with --search optuna."""
    save_models: bool = False
    """Keep the models of all folds, each as a model folder, in the folder models of --out."""
    by: Annotated[
        tuple[TargetName, ...],
        Option(
            joined=",",
            metavar="COLUMN,...",
            unset="auto: those of sex, age, language, session, speaker, corpus with two values",
        ),
    ] = ()
    """Columns of the manifest whose groups are scored apart, with the largest gap between groups:
    sex, age, or any other."""
    age_bands: Annotated[
        tuple[Annotated[float, Field(gt=0, le=150)], ...],
        Field(min_length=1),
        AfterValidator(_increasing),
        Option(joined=",", metavar="YEARS,..."),
    ] = AGE_BANDS
    """Ages at which a new band begins, in years: 18,60 makes under 18, 18 to 59, 60 and over."""
    track: Track = ()
    """Tracker that is told of settings and scores: wandb (WANDB_MODE=offline works), mlflow
    (MLFLOW_TRACKING_URI), tensorboard."""

    @property
    def departures(self) -> tuple[str, ...]:
        """Say in words what departs from a head on features as they are stored."""
        return ()


class ClassifySettings(ExperimentBase):
    """`tokser classify`: features, protocols and grid of one dataset."""

    FORMER_NAMES: ClassVar = {"classifiers": "heads"}
    TOPICS: ClassVar = {
        "Input": _INPUT,
        "Split": _SPLITS,
        "Head": (
            *("labels", "heads", "head_grid", "grid", "search", "trials", "grid.epochs"),
            *("grid.class_weights", "grid.early_stopping"),
        ),
        "Evaluation": _EVALUATION,
        "Calibration": ("calibrate", "coverage", "set_score"),
        "Output": ("out", "save_models", "track"),
        "Frame heads": FRAME_HEADS,
        "Computation": ("device", "scheduler", "cluster", "frames_mb", "check"),
    }

    out: Annotated[Path, Option(short="-o", kind="folder", unset="WORKSPACE/results/DATASET")]
    """Folder of the results."""
    labels: Literal["single", "distribution", "multilabel"] = "single"
    """single: one label an utterance. distribution: the shares of its annotators, columns
    label_<class> (see `tokser manifest --annotations`), as targets of mlp, linear, logreg and the
    heads over frames, scored as in EMO-SUPERB. multilabel: several classes at once, present where
    label_<class> or strength_<class> is above 0, with mlp, linear and logreg."""
    heads: Annotated[
        tuple[ClassifierName, ...],
        Field(min_length=1),
        Option(
            name="--head",
            aliases=("--heads", "--classifier", "--classifiers"),
            joined=",",
            metavar="NAME,...",
        ),
    ] = ("mlp",)
    """Classifiers. mlp: the paper's; linear: the same without hidden layers; logreg: logistic
    regression; svm, mlp-sklearn: those of scikit-learn; on frames, not functionals: attentive
    (attentive statistics pooling), emobox, transformer; cross-attention, of speech + text; superb:
    SUPERB's, computed from means. Or package.module:Class, any classifier of scikit-learn's
    contract."""
    head_grid: HeadGrid = Field(default_factory=dict)
    """Grid of a head that is package.module:Class, searched like every other: a file, or such as
    n_estimators=[100,300]; a list is tried, anything else is fixed."""
    grid: _Grid = Field(default_factory=GridSettings)
    """Grid that networks are searched over. baseline (also --grid without a value) and
    proposed: the paper's (Table 2),
    batch 4..1024 x lr 1e-3, 5e-3 and batch 4..32 x lr 1e-3, 1e-2. Or any other:
    batch_size=8,32,lr=1e-3,1e-2; also hidden=128,64 (widths), epochs, patience and factor (of the
    plateau)."""
    calibrate: Annotated[CalibratedBy | None, Option(metavar="[speakers|dev]", bare="speakers")] = (
        None
    )
    """Measure how far probabilities can be believed, calibrate them by a temperature, and make
    prediction sets. speakers: each test speaker by the test predictions of all others; dev: each
    fold by its own dev part, which often has too few speakers for sets."""
    coverage: Coverages = (0.9,)
    """How often prediction sets are to hold the true class, with --calibrate; several are
    compared."""
    set_score: SetScore = "lac"
    """What prediction sets are made by, with --calibrate. lac: the probability of the class, the
    smallest sets; aps: that of the classes before it, which gives hard utterances larger sets;
    aps-randomised: the same without overcoverage, by chance."""
    scheduler: Scheduler = None
    """Address of a Dask scheduler whose workers train networks."""
    cluster: Cluster = None
    """Cluster file (see pipelines/clusters): its jobs are queued for this run."""


class RegressSettings(ExperimentBase):
    """`tokser regress`: features, protocols and regressors of one dataset's dimensions."""

    FORMER_NAMES: ClassVar = {"regressors": "heads"}
    TOPICS: ClassVar = {
        "Input": _INPUT,
        "Split": _SPLITS,
        "Head": (
            *("targets", "subset", "heads", "loss", "head_grid", "grid", "search", "trials"),
            *("grid.epochs", "grid.class_weights", "grid.early_stopping"),
        ),
        "Evaluation": _EVALUATION,
        "Output": ("out", "save_models", "track"),
        "Frame heads": FRAME_HEADS,
        "Computation": ("device", "frames_mb", "check"),
    }

    out: Annotated[
        Path, Option(short="-o", kind="folder", unset="WORKSPACE/results/DATASET-dimensions")
    ]
    """Folder of the results."""
    targets: Annotated[
        tuple[TargetName, ...],
        Field(min_length=1),
        Option(name="--target", aliases=("--targets",), joined=",", metavar="NAME,..."),
    ] = ("valence", "arousal", "dominance")
    """Dimensions to predict: columns of the manifest with a number for every utterance."""
    subset: Literal["all", "labelled"] = "all"
    """Utterances. all: every one that has ratings; labelled: those that have an emotion label, too
    (of IEMOCAP's 10,039 turns the 5,531 of the four-class set)."""
    heads: Annotated[
        tuple[RegressorName, ...],
        Field(min_length=1),
        Option(
            name="--head",
            aliases=("--heads", "--regressor", "--regressors"),
            joined=",",
            metavar="NAME,...",
        ),
    ] = ("ridge",)
    """Regressors: ridge, mlp, linear, mlp-sklearn; on frames: attentive, emobox, transformer,
    cross-attention (of speech + text); superb, from means. Or package.module:Class, any regressor
    of scikit-learn's contract."""
    loss: Literal["squared-error", "ccc"] = "squared-error"
    """What mlp, linear and the heads over frames minimise. ccc: 1 - CCC over each batch, so batches
    of 32 and more; ridge and mlp-sklearn cannot."""
    head_grid: HeadGrid = Field(default_factory=dict)
    """Grid of a head that is package.module:Class, as for `tokser classify`."""
    grid: _Grid = Field(default_factory=lambda: GridSettings(**ONE_POINT))
    """Grid that networks are searched over, as for `tokser classify`."""


class AuditSettings(_SplitSettings):
    """`tokser audit`: which splits of which store are checked."""

    TOPICS: ClassVar = {
        "Input": ("store",),
        "Split": _SPLITS,
        "Duplicates": ("duplicate_threshold",),
        "Output": ("out",),
    }

    store: Store
    """Folder or URL of the store."""
    duplicate_threshold: Annotated[
        float | None,
        Field(gt=0, le=1),
        Option(unset="auto: 6 times the spread of the corpus's own cosines, within 0.80 and 0.95"),
    ] = None
    """Cosine of standardised functionals from which on two recordings are near-duplicates; a lower
    one finds more copies and more false alarms."""
    out: Annotated[Path | None, Option(short="-o", kind="file", unset="only shown")] = None
    """File (CSV) that the table of what every two parts share is written to."""
