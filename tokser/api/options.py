"""Keywords of the functions beside those in their signatures, for editors and type checkers.

They are the settings in `tokser.config`, where their meaning and their defaults stand; a test holds
the two together.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

__all__ = [
    "AlignOptions",
    "ClassifyOptions",
    "ExperimentOptions",
    "ExtractOptions",
    "FitOptions",
    "LabelsOptions",
    "PoolOptions",
    "PredictOptions",
    "PretrainOptions",
    "RegressOptions",
    "ReportOptions",
    "ScalingOptions",
    "SimilarityOptions",
    "TransferOptions",
]

AnyPath = str | Path
Names = str | Sequence[str]


class ExtractOptions(TypedDict, total=False):
    """Of `tokser.extract`."""

    manifest: AnyPath | None
    corpus: AnyPath | None
    name: str | None
    revision: str | None
    splits: Names
    subset: str
    dtype: Literal["float16", "float32"]
    compression: Literal["none", "zstd", "blosc", "gzip"]
    shard_mb: int
    batch_seconds: float | None
    precision: Literal["fp32", "bf16", "fp16"]
    context: Literal["pad", "fit"]
    functionals_only: bool
    device: str
    scheduler: str | None
    cluster: AnyPath | None


class PoolOptions(TypedDict, total=False):
    """Of `tokser.pool`."""

    functionals: Names
    acoustic: bool
    root: AnyPath | None


class PretrainOptions(TypedDict, total=False):
    """Of `tokser.pretrain`."""

    speech: str | None
    text: str | None
    queries: Literal["word", "full"]
    options: Mapping[str, int | float | str]
    temperature: float
    batch_size: int
    learning_rate: float
    epochs: int
    dev_fraction: float
    special_tokens: bool
    seed: int
    precision: Literal["fp32", "bf16"]
    schedule: Literal["constant", "cosine", "linear"]
    warmup_steps: int
    clip_norm: float | None
    patience: int | None
    text_only: bool
    order: Literal["global", "shards"]
    shards_at_once: int
    preload: Literal["none", "ram", "device"]
    save_steps: int
    resume: bool
    track: Names
    devices: int
    nodes: int
    loss: Literal["gathered", "local"]
    keep: str | None
    keep_weight: float
    tune_speech: int
    tune_text: int
    text_below: str | None
    free_teacher: bool
    teacher_anchor: float
    tune_learning_rate: float | None
    encoder: AnyPath | None
    text_encoder: AnyPath | None
    check: bool
    device: str


class AlignOptions(TypedDict, total=False):
    """Of `tokser.align`."""

    batch_size: int
    encoder: AnyPath | None
    check: bool
    device: str


class FrameHeadOptions(TypedDict, total=False):
    """Of heads over frames."""

    frame_heads: Mapping[str, Any]
    attention_heads: int
    training_precision: Literal["fp32", "bf16"]
    blocks: int
    layer_norm: bool
    dropout: float
    weight_decay: float
    label_smoothing: float
    ensemble: int
    frames_mb: int


class ExperimentOptions(FrameHeadOptions, total=False):
    """Of `tokser.classify` and `tokser.regress`."""

    dataset: str
    splits_file: AnyPath | None
    splits_format: Literal["tokser", "emobox", "emo-superb", "superb", "msp-podcast", "meld"]
    num_folds: int
    group_by: Literal["speaker", "session", "sentence"]
    stratify: bool
    seed: int
    num_seeds: int
    functionals: Names
    standardise: Literal["global", "speaker"]
    refit: bool
    ledger: AnyPath | None
    check: bool
    device: str
    grid: str | Mapping[str, Any]
    epochs: int
    class_weights: bool
    early_stopping: int | None
    head_grid: AnyPath | Mapping[str, Any]
    search: Literal["grid", "optuna"]
    trials: int
    save_models: bool
    by: Names
    age_bands: float | Sequence[float]
    track: Names


class ClassifyOptions(ExperimentOptions, total=False):
    """Of `tokser.classify`."""

    labels: Literal["single", "distribution", "multilabel"]
    calibrate: Literal["speakers", "dev"] | None
    coverage: float | Sequence[float]
    set_score: Literal["lac", "aps", "aps-randomised"]
    scheduler: str | None
    cluster: AnyPath | None


class TransferOptions(FrameHeadOptions, total=False):
    """Of `tokser.transfer`."""

    dataset: str
    standardise_by: Literal["train", "corpus"]
    seed: int
    num_seeds: int
    functionals: Names
    refit: bool
    ledger: AnyPath | None
    check: bool
    device: str
    grid: str | Mapping[str, Any]
    epochs: int
    class_weights: bool
    early_stopping: int | None
    head_grid: AnyPath | Mapping[str, Any]
    search: Literal["grid", "optuna"]
    trials: int
    by: Names
    age_bands: float | Sequence[float]
    track: Names
    scheduler: str | None
    cluster: AnyPath | None


class TranscribeOptions(TypedDict, total=False):
    """Of `tokser.transcribe`."""

    revision: str | None
    language: str | None
    no_speech_threshold: float
    check: bool
    check_most: int | None
    device: str
    batch_seconds: float | None


class ProbeOptions(TypedDict, total=False):
    """Of `tokser.probe`."""

    head: Literal["ridge", "logreg"]
    seed: int
    check: bool


class LabelsOptions(TypedDict, total=False):
    """Of `tokser.labels`."""

    root: AnyPath | None
    protocol: Literal["speaker", "kfold", "random", "text", "fixed"] | None
    num_folds: int
    seed: int
    head: str | None
    num_neighbours: int
    neighbours_from: Literal["other-speakers", "all"]
    neighbour_features: str | None
    listed: int
    audio: int
    check: bool


class SimilarityOptions(TypedDict, total=False):
    """Of `tokser.similarity`."""

    frames_per_utterance: int
    batch_size: int
    seed: int
    check: bool


class ScalingOptions(FrameHeadOptions, total=False):
    """Of `tokser.scaling`."""

    num_speakers: int | Sequence[int]
    num_utterances: int | Sequence[int]
    num_draws: int
    seed: int
    protocol: Literal["speaker", "kfold"] | None
    num_folds: int
    head_grid: AnyPath | Mapping[str, Any]
    grid: str | Mapping[str, Any]
    epochs: int
    class_weights: bool
    early_stopping: int | None
    ledger: AnyPath | None
    check: bool
    device: str


class RegressOptions(ExperimentOptions, total=False):
    """Of `tokser.regress`."""

    loss: Literal["squared-error", "ccc"]
    targets: Names
    subset: Literal["all", "labelled"]


class FitOptions(FrameHeadOptions, total=False):
    """Of `tokser.fit`."""

    dataset: str
    functionals: Names
    runs: Sequence[AnyPath]
    target: str | None
    subset: Literal["all", "labelled"]
    standardise: Literal["global", "speaker"]
    head_grid: AnyPath | Mapping[str, Any]
    grid: str | Mapping[str, Any]
    epochs: int
    class_weights: bool
    early_stopping: int | None
    protocol: str
    splits_file: AnyPath | None
    num_folds: int
    group_by: Literal["speaker", "session", "sentence"]
    stratify: bool
    seed: int
    results: AnyPath | None
    calibrate: bool
    coverage: float | Sequence[float]
    set_score: Literal["lac", "aps", "aps-randomised"]
    ledger: AnyPath | None
    check: bool
    track: Names
    device: str


class PredictOptions(TypedDict, total=False):
    """Of `TrainedModel.predict`."""

    root: AnyPath | None
    transcript: str | None
    transcribe: AnyPath | None
    language: str | None
    window: float | None
    hop: float | None
    encoders: Names
    device: str
    batch_seconds: float | None
    probabilities: Literal["calibrated", "raw"]
    sets: Literal["speakers", "utterances"] | None
    coverage: float | None
    out: AnyPath | None


class ReportOptions(TypedDict, total=False):
    """Of `tokser.report` and of `Results.report`."""

    map: str | bool | None
    map_method: Literal["pca", "umap"]
    errors: int
    audio: int
    stores: Names
    roots: AnyPath | Sequence[AnyPath]
    formats: Names
    columns: Names
    title: str
    caution: str
