"""Settings of `tokser pretrain`, and of its grids of runs."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import (
    LARGEST,
    Device,
    Few,
    OptionValue,
    Positive,
    QueriesName,
    Rate,
    Seed,
    VariantName,
)

__all__ = ["PretrainSettings", "SweepSettings"]


class PretrainSettings(Settings):
    """`tokser pretrain`: how the aligner is trained on a store (paper, sections 3 and 4.3)."""

    TOPICS: ClassVar = {
        "Input": ("store", "speech", "text", "queries", "special_tokens", "dev_fraction"),
        "Aligner": ("variant", "options", "temperature"),
        "Training": (
            *("epochs", "batch_size", "learning_rate", "schedule", "warmup_steps", "clip_norm"),
            *("patience", "text_only", "keep", "keep_weight", "seed"),
        ),
        "Updated encoders": (
            *("tune_speech", "tune_text", "text_below", "free_teacher", "teacher_anchor"),
            *("tune_learning_rate", "encoder", "text_encoder"),
        ),
        "Output": ("out", "resume", "save_steps", "track"),
        "Computation": (
            *("device", "precision", "order", "shards_at_once", "preload", "check", "devices"),
            *("nodes", "loss"),
        ),
    }

    store: Annotated[str, Option(metavar="PATH|URL", unset="that of --sweep")]
    """Folder or URL of the store of speech and text."""
    out: Annotated[
        Path, Option(short="-o", kind="folder", unset="WORKSPACE/runs/ and the store's name")
    ]
    """Folder of the run; its name becomes the name of the aligned feature."""
    speech: Annotated[str | None, Option(unset="auto: the only one there is")] = None
    """Speech feature S, or layers of one encoder with commas between, whose mix is learned."""
    text: Annotated[str | None, Option(unset="auto: the only contextual one")] = None
    """Teacher feature B."""
    queries: QueriesName = "word"
    """Queries T. word: rows of the teacher's word-embedding table; full: the output of its whole
    embedding layer, position included (extract the teacher with --layers all)."""
    variant: VariantName = "paper"
    """Kind of aligner. paper: one head, unscaled; scaled: divided by sqrt(D);
    sunder: 12 heads, residual, LayerNorm, feed-forward; listener: a window around the word's
    position and the whole utterance (train it with --learning-rate 1e-3 --schedule cosine)."""
    options: Annotated[
        dict[str, OptionValue],
        Option(
            name="--option",
            unset="for sunder heads=12, ffn=2048, dropout=0; for listener heads=1, rank=64, "
            "global_queries=4, dropout=0.3",
        ),
    ] = Field(default_factory=dict)
    """Option of the variant's own, such as heads=8."""
    temperature: Rate = 0.07
    """Temperature tau of the contrastive loss."""
    batch_size: Positive = 64
    """Utterances in a batch."""
    learning_rate: Rate = 1e-4
    """Learning rate of Adam."""
    epochs: Positive = 30
    """Epochs over the training part."""
    dev_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of speakers held out, where the corpus names no dev part."""
    special_tokens: bool = True
    """Include the tokens [CLS] and [SEP]."""
    seed: Seed = 0
    """Seed of weights and order."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the matrix products; weights, sums and Adam stay in fp32."""
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    """How the learning rate falls, from the end of the warm-up to the last step."""
    warmup_steps: int = Field(default=0, ge=0, le=LARGEST)
    """Steps over which the learning rate rises from 0."""
    clip_norm: Annotated[Rate | None, Option(unset="none is scaled")] = None
    """Largest norm of the gradient; a larger one is scaled down."""
    patience: Annotated[Positive | None, Option(unset="never")] = None
    """Epochs without a better dev match rate after which training stops."""
    text_only: bool = True
    """Also train a linear map of the queries, the text-only baseline; a third of a step."""
    keep: Annotated[str | None, Option(metavar="FEATURE", unset="none")] = None
    """Feature that aligned tokens must also predict, such as whisper-base/layer-3: mean and
    standard deviation over the frames of the utterance. It keeps what words do not say."""
    keep_weight: Rate = 1.0
    """Weight of that loss beside the contrastive one."""
    tune_speech: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Last blocks of the speech encoder that are trained, too, from the stored layer below them:
    --speech whisper-base/layer-4 --tune-speech 2 trains blocks 5 and 6. A Whisper store needs
    the context fit."""
    tune_text: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Last blocks of the text encoder that are trained, too, from the stored layer below them;
    with --free-teacher, for the loss takes the teacher as fixed."""
    text_below: Annotated[str | None, Option(unset="auto: the only layer of the text encoder")] = (
        None
    )
    """Layer that these blocks start from, such as bert-base-uncased/layer-10."""
    free_teacher: bool = False
    """Let the teacher move towards the student. A term holds it to its frozen copy, or all of its
    tokens could become easy to tell apart and mean nothing."""
    teacher_anchor: Rate = 1.0
    """Weight of that term."""
    tune_learning_rate: Annotated[Rate | None, Option(unset="a tenth of --learning-rate")] = None
    """Learning rate of these blocks."""
    encoder: Annotated[
        str | None, Option(metavar="ID|FOLDER", unset="where it was at extraction")
    ] = None
    """The speech encoder whose blocks are trained; its weights must be those of the store."""
    text_encoder: Annotated[
        str | None, Option(metavar="ID|FOLDER", unset="where it was at extraction")
    ] = None
    """The text encoder, likewise."""
    order: Literal["global", "shards"] = "global"
    """What is shuffled: all utterances, or those of a few shards at a time, for spinning disks and
    object stores."""
    shards_at_once: Few = 8
    """Shards that are mixed with --order shards. Shards hold the corpus in its order, so few of
    them are few speakers."""
    preload: Literal["none", "ram", "device"] = "none"
    """Copy the features into memory first, or into the GPU's."""
    save_steps: Positive = 500
    """Steps between two saved states within an epoch; a killed run repeats at most these."""
    resume: Annotated[bool, Option(off="--restart")] = True
    """Resume a run that was stopped, or start it again from the beginning."""
    track: tuple[Literal["wandb", "mlflow"], ...] = ()
    """Tracker besides metrics.csv and TensorBoard: Weights & Biases (WANDB_MODE=offline works) or
    MLflow (MLFLOW_TRACKING_URI)."""
    devices: Few = 1
    """Processes on each machine, one for each GPU, started by torchrun or srun; each takes its
    share of a batch."""
    nodes: Few = 1
    """Machines."""
    loss: Literal["gathered", "local"] = "gathered"
    """With several processes, each computes the loss of all tokens, or of its own rows. Both are
    exact."""
    check: bool = True
    """Compare what is read from the store with its checksums."""
    device: Device = "auto"
    """Device to compute on; auto: a GPU where there is one."""


class SweepSettings(Settings):
    """`tokser pretrain --sweep`: a run for every combination of a grid (paper, Figure 3)."""

    name: str
    """Name of the sweep."""
    out: Path
    """Folder of the runs, of their table and of the curves."""
    pretrain: dict[str, Any]
    """Settings that all runs share, those of `tokser pretrain` without `out`."""
    grid: dict[str, list[Any]] = Field(min_length=1)
    """Values by setting; all combinations are run."""
