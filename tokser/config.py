"""Settings of every stage: typed, frozen, strict, saved beside every output they made."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tokser.errors import SettingsError, shortened
from tokser.names import MOST_BYTES

__all__ = [
    "AlignSettings",
    "AuditSettings",
    "ClassifySettings",
    "ContextName",
    "ExtractSettings",
    "GridSettings",
    "PoolSettings",
    "PrecisionName",
    "PretrainSettings",
    "QueriesName",
    "RegressSettings",
    "ReportSettings",
    "Settings",
    "SweepSettings",
]

DatasetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=MOST_BYTES)]
"""`librispeech`, `emodb`, `iemocap`, or the name that a user gives a corpus of their own."""
PROTOCOL_ALIASES = {"loso": "speaker"}
"""Other names of protocols; settings hold the first name."""
FORMER_PROTOCOLS = {"report": "random"}
"""What protocols were called in earlier versions: options, pipelines, files of splits and tables of
results that say so are read."""


def _resolved(name: Any) -> Any:
    known = PROTOCOL_ALIASES | FORMER_PROTOCOLS
    return known.get(name, name) if isinstance(name, str) else name


ProtocolName = Annotated[
    Literal["random", "speaker", "fixed", "text", "kfold"], BeforeValidator(_resolved)
]
ClassifierName = Literal["mlp", "linear", "logreg", "svm", "mlp-sklearn"]
RegressorName = Literal["ridge", "mlp-sklearn"]
TargetName = Literal["valence", "arousal", "dominance"]
PrecisionName = Literal["fp32", "bf16", "fp16"]
ContextName = Literal["pad", "fit"]
QueriesName = Literal["word", "full"]
LARGEST = 2**31 - 1
"""Number of anything: what 32 bits hold."""
Positive = Annotated[int, Field(gt=0, le=LARGEST)]
Few = Annotated[int, Field(gt=0, le=10_000)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, le=LARGEST)]
NumFolds = Annotated[int, Field(ge=3, le=10_000)]
Widths = Annotated[tuple[Annotated[int, Field(gt=0, le=65_536)], ...], Field(max_length=32)]
"""Units of each block of an MLP."""
OptionValue = Annotated[int, Field(ge=-LARGEST, le=LARGEST)] | float | str
_MOST_FAULTS = 20
"""Told of settings that are wrong."""


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, where: str) -> Self:
        """Check `values`, and name all their faults at once.

        Args:
            values: Settings by name.
            where: What the user would look at to mend them, for instance a file's name.

        Raises:
            SettingsError: A key is unknown (the nearest known one is named) or a value is wrong.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            found = error.errors()
            faults = [cls._describe(fault) for fault in found[:_MOST_FAULTS]]
            if len(found) > _MOST_FAULTS:
                faults.append(f"and {len(found) - _MOST_FAULTS:,} more faults")
            raise SettingsError(
                where,
                expected="settings that are known, with values that are allowed",
                got="; ".join(dict.fromkeys(faults)),
                remedy="Correct the named settings.",
            ) from error

    @classmethod
    def _describe(cls, fault: Mapping[str, Any]) -> str:
        key = shortened(".".join(str(part) for part in fault["loc"]))
        if fault["type"] == "literal_error":
            return _describe_name(key, fault)
        if fault["type"] != "extra_forbidden":
            return f"{key} = {shortened(repr(fault['input']))}: {fault['msg']}"
        known = _known_keys(cls, fault["loc"][:-1])
        near = difflib.get_close_matches(str(fault["loc"][-1])[:100], known, n=1, cutoff=0.0)
        return (
            f"unknown key {key!r} (nearest known key: {near[0]!r})" if near else f"unknown {key!r}"
        )


def _describe_name(key: str, fault: Mapping[str, Any]) -> str:
    """Say which names a setting of a few fixed ones has, the nearest first."""
    known = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
    are_protocols = {*PROTOCOL_ALIASES.values(), *FORMER_PROTOCOLS.values()} <= set(known)
    names = [*known, *PROTOCOL_ALIASES] if are_protocols else known
    given = str(fault["input"])[:100]
    near = difflib.get_close_matches(given.lower().strip(), names, n=1, cutoff=0.5)
    nearest = f"; nearest known: {near[0]!r}" if near else ""
    return (
        f"{key} = {shortened(repr(fault['input']))}, which is none of {', '.join(names)}{nearest}"
    )


def _known_keys(settings: type[BaseModel], parents: tuple[Any, ...]) -> list[str]:
    """List the keys that settings, or those nested in them under `parents`, do have."""
    for parent in parents:
        if parent in settings.model_fields:
            inner = _nested(settings.model_fields[parent].annotation)
            if inner is None:
                return []
            settings = inner
    return list(settings.model_fields)


def _nested(annotation: Any) -> type[BaseModel] | None:
    """Find the settings class within an annotation such as `tuple[X, ...]` or `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _nested(argument)
        if found is not None:
            return found
    return None


class ExtractSettings(Settings):
    """`tokser extract`: which encoders run over which corpus, into which store."""

    dataset: DatasetName
    root: Path
    """The corpus's own folder."""
    manifest: Path | None = None
    """A manifest (CSV) to go by instead of a scan; a corpus of one's own needs it."""
    store: str
    encoders: tuple[str, ...] = Field(min_length=1)
    """Hub ids or local folders, speech and text alike."""
    layers: str = "last"
    """`last` (the model's last hidden state), `all`, or a list such as `0,3,6` or `6,last`; 0 is
    the embedding output."""
    revision: str | None = None
    """Hub revision, of every encoder that comes from the hub."""
    splits: tuple[str, ...] = ()
    """Parts of LibriSpeech, for instance `train-clean-100`; empty: all that are there."""
    subset: Literal["all", "recognised", "four-class"] = "all"
    """EmoDB: all recordings, or the recognised ones of the paper's Table 1; IEMOCAP: all 10,039
    rated turns, or the 5,531 of the four-class set."""
    dtype: Literal["float16", "float32"] = "float16"
    compression: Literal["none", "zstd", "blosc", "gzip"] = "none"
    """Of the rows: Zarr stores know zstd and blosc, HDF5 stores gzip; only `none` is mapped."""
    shard_mb: Positive = 256
    """Budget of one shard over all its arrays, in MiB."""
    batch_seconds: Rate | None = None
    """Audio that one forward pass may hold, padding included, in seconds; by default what suits
    the device."""
    precision: PrecisionName = "fp32"
    """Of the encoders' weights and matrix products; what comes out is stored as `dtype` says."""
    context: ContextName = "pad"
    """What Whisper sees: 30 s, padded and trimmed again, or the utterance alone (`fit`)."""
    functionals_only: bool = False
    """Whether only mean and standard deviation of each utterance are kept, and no rows."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1` or `mps`."""
    scheduler: str | None = None
    """Address of a Dask scheduler whose workers do the work, `tcp://...`."""
    cluster: Path | None = None
    """File that says how to start workers, see pipelines/clusters."""


class PretrainSettings(Settings):
    """`tokser pretrain`: how the aligner is trained on a store (report, sections 3 and 4.3)."""

    store: str
    out: Path
    """Folder of the run; its name becomes the name of the aligned feature."""
    speech: str | None = None
    """Speech feature S, or layers of one encoder with commas between: their mix is learned; found
    by itself where there is one choice."""
    text: str | None = None
    """Teacher feature B."""
    queries: QueriesName = "word"
    """T: `word`, rows of the teacher's word-embedding table, or `full`, the output of its whole
    embedding layer (its layer 0)."""
    variant: str = "report"
    """Kind of aligner, see `tokser pretrain --help`."""
    options: dict[str, OptionValue] = Field(default_factory=dict)
    """Options of the variant's own, for instance `heads: 8`."""
    temperature: Rate = 0.07
    batch_size: Positive = 64
    """Utterances in a batch."""
    learning_rate: Rate = 1e-4
    epochs: Positive = 30
    dev_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of speakers held out, where the corpus names no dev part."""
    special_tokens: bool = True
    """Whether [CLS] and [SEP] take part."""
    seed: Seed = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the matrix products; weights, sums and Adam stay in fp32."""
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    """How the learning rate falls, from the warm-up's end to the last step."""
    warmup_steps: int = Field(default=0, ge=0, le=LARGEST)
    """Steps over which the learning rate rises from 0."""
    clip_norm: Rate | None = None
    """Longest gradient; longer ones are shortened."""
    patience: Positive | None = None
    """Epochs without a better dev match rate after which training stops."""
    text_only: bool = True
    """Whether a linear map of the queries is trained alongside, as a control that hears nothing."""
    order: Literal["global", "shards"] = "global"
    """What is shuffled: all utterances, or those of a few shards at a time."""
    shards_at_once: Few = 8
    """Shards that are mixed where `order` is `shards`."""
    preload: Literal["none", "ram", "device"] = "none"
    """Whether features are first copied into memory."""
    save_steps: Positive = 500
    """Steps between two savings of the state within an epoch."""
    resume: bool = True
    """Whether a run that was stopped goes on, or begins anew."""
    track: tuple[Literal["wandb", "mlflow"], ...] = ()
    """Trackers that are told of the run, besides `metrics.csv` and TensorBoard."""
    devices: Few = 1
    """Processes on each machine, one for each GPU."""
    nodes: Few = 1
    """Machines."""
    loss: Literal["gathered", "local"] = "gathered"
    """With several processes: each computes the loss of all tokens, or of its own rows of it."""
    check: bool = True
    """Whether what is read from the store is held against its checksums."""
    device: str = "auto"


class SweepSettings(Settings):
    """`tokser pretrain --sweep`: a run for every combination of a grid (report, Figure 3)."""

    name: str
    out: Path
    """Folder of the runs, of their table and of the curves."""
    pretrain: dict[str, Any]
    """Settings that all runs share, those of `tokser pretrain` without `out`."""
    grid: dict[str, list[Any]] = Field(min_length=1)
    """Values by setting; all combinations are run."""


class AlignSettings(Settings):
    """`tokser align`: which run's aligner is applied to which store."""

    store: str
    checkpoint: Path
    batch_size: Positive = 64
    check: bool = True
    """Whether what is read from the store is held against its checksums."""
    device: str = "auto"


class PoolSettings(Settings):
    """`tokser pool`: which features of a store get mean and standard deviation."""

    store: str
    features: tuple[str, ...] = ()
    """Empty: every feature."""
    functionals: tuple[str, ...] = ()
    """Beyond mean and std: `min`, `max`, or quantiles in percent such as `q25`."""


class GridSettings(Settings):
    """The points of a grid, and the training that each of them gets (report, Table 2)."""

    batch_sizes: tuple[Positive, ...] = Field(
        default=tuple(2**power for power in range(2, 11)), min_length=1, max_length=100
    )
    learning_rates: tuple[Rate, ...] = Field(default=(1e-3, 5e-3), min_length=1, max_length=100)
    hidden: Widths | Annotated[tuple[Widths, ...], Field(max_length=100)] = (128, 64, 32)
    """Widths of the blocks [Linear, LayerNorm, ReLU]; or several such lists to choose among, where
    an empty one is the linear probe."""
    epochs: Positive = 30
    plateau_patience: Positive = 10
    """Epochs without a better dev UAR before the learning rate falls."""
    plateau_factor: float = Field(default=0.1, gt=0, lt=1)
    class_weights: bool = False
    """Whether rare classes weigh more in the loss: n / (classes * n of the class)."""
    early_stopping: Positive | None = None
    """Epochs without a better dev UAR after which a model stops; none: it trains to the end."""


class _ExperimentSettings(Settings):
    """What classification and regression share."""

    dataset: DatasetName
    store: str
    out: Path
    features: tuple[str, ...] = ()
    """Expressions such as `a/layer-6`, `a + b`, `mean(a, b)`; empty: every pooled feature."""
    functionals: tuple[str, ...] = Field(default=("mean", "std"), min_length=1)
    """Of features that name none: `mean`, `std`, and whatever else was pooled."""
    protocols: tuple[ProtocolName, ...] = ()
    """Empty: `random` and `speaker`, or all that `splits_file` has."""
    splits_file: Path | None = None
    """Splits by id, as `splits.json` of another results folder has them; instead of protocols."""
    num_folds: NumFolds = 5
    """Of the protocol `kfold`."""
    group_by: Literal["speaker", "session", "sentence"] = "speaker"
    """What `kfold` keeps together."""
    stratify: bool = True
    """Whether each part of `random` has its share of every class; those of the paper have not."""
    standardise: Literal["global", "speaker"] = "global"
    """By train alone; `speaker`: before that, each speaker by all of that speaker's recordings."""
    refit: bool = True
    """Whether what dev selected is trained again on train and dev together before it meets test;
    without, it is tested as it was selected, as in the paper."""
    ledger: Path | None = None
    """Record of all runs' test-set evaluations; none: `ledger.jsonl` in the store's workspace."""
    seed: Seed = 0
    num_seeds: Few = 1
    """Runs with the seeds `seed`, `seed` + 1 and so on."""
    check: bool = True
    """Whether what is read from the store is held against its checksums."""
    device: str = "auto"


class ClassifySettings(_ExperimentSettings):
    """`tokser classify`: features, protocols and grid of one dataset."""

    classifiers: tuple[ClassifierName, ...] = Field(default=("mlp",), min_length=1)
    grid: GridSettings = GridSettings()
    scheduler: str | None = None
    """Address of a Dask scheduler whose workers train the MLPs, such as `tcp://node1:8786`."""
    cluster: Path | None = None
    """Cluster file instead: its jobs are queued for this run."""


class RegressSettings(_ExperimentSettings):
    """`tokser regress`: features, protocols and regressors of one dataset's dimensions."""

    targets: tuple[TargetName, ...] = Field(
        default=("valence", "arousal", "dominance"), min_length=1
    )
    subset: Literal["all", "labelled"] = "all"
    """Utterances: all that have ratings, or those that have an emotion label, too (of IEMOCAP's
    10,039 turns the 5,531 of the four-class set)."""
    regressors: tuple[RegressorName, ...] = Field(default=("ridge",), min_length=1)
    grid: GridSettings = GridSettings(batch_sizes=(32,), learning_rates=(1e-3,))
    """Of `mlp-sklearn`."""


class AuditSettings(Settings):
    """`tokser audit`: which splits of which store are looked over."""

    store: str
    protocols: tuple[ProtocolName, ...] = ()
    splits_file: Path | None = None
    num_folds: NumFolds = 5
    group_by: Literal["speaker", "session", "sentence"] = "speaker"
    stratify: bool = True
    seed: Seed = 0
    num_seeds: Few = 1
    duplicate_threshold: float | None = Field(default=None, gt=0, le=1)
    """Cosine from which on two recordings are near-duplicates; by default what the corpus's own
    cosines allow, 0.80 to 0.95."""


class ReportSettings(Settings):
    """`tokser report`: which results go on the page."""

    results: tuple[Path, ...] = Field(min_length=1)
    """Output folders of `tokser classify` and `tokser regress`."""
    runs: tuple[Path, ...] = ()
    """Output folders of `tokser pretrain`, for the convergence curves."""
    formats: tuple[Literal["html", "latex", "csv", "md", "png", "pdf", "svg"], ...] = Field(
        default=("html",), min_length=1
    )
    """The page; tables as `latex`, `csv`, `md`; figures as `png`, `pdf`, `svg`."""
    out: Path | None = None
    """The page's path; with other formats, the folder of the files."""
    title: str = "tokser report"
    caution: str = ""
    """A sentence shown at the top of the page."""
