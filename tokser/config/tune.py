"""Settings of `tokser tune` and `tokser apply`."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.experiments import GROUP_SETTINGS, ExperimentBase
from tokser.config.frame_heads import FrameHeadSettings
from tokser.config.grid import GridSettings
from tokser.config.option import Option
from tokser.config.values import Device, Few, Positive, Rate, Store

__all__ = ["ApplySettings", "TuneSettings", "TunedHeadSettings"]

TunedHeadName = Literal["attentive", "emobox", "superb", "transformer", "mean-std"]


class TunedHeadSettings(FrameHeadSettings):
    """Options of the head that is tuned with the blocks."""

    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False), Option(alone=True)] = 0.01
    """Weight decay of AdamW; norms and biases of the blocks have none."""
    blocks: Annotated[Few, Option(name="--head-blocks", alone=True)] = 1
    """Blocks of the head transformer."""
    ensemble: Annotated[Few, Field(le=1), Option(shown=False)] = 1
    """One network: several would need as many copies of the blocks."""


class TuneSettings(ExperimentBase):
    """`tokser tune`: an encoder's upper blocks and a head, trained from a stored layer."""

    TOPICS: ClassVar = {
        "Input": ("dataset", "store", "source", "encoder"),
        "Split": (
            *(
                "protocols",
                "splits_file",
                "splits_format",
                "num_folds",
                "group_by",
                "stratify",
                "seed",
            ),
            "num_seeds",
        ),
        "Blocks": ("lora", "blocks_rates", "layer_decay"),
        "Head": (
            *("heads", "mix", "head_rate", "frame_heads.dropout", "frame_heads.label_smoothing"),
            *("frame_heads.attention_heads", "frame_heads.blocks", "frame_heads.layer_norm"),
        ),
        "Training": (
            *("batch_size", "epochs", "early_stopping", "warm_up", "frame_heads.weight_decay"),
            *("probe_first", "class_weights"),
        ),
        "Evaluation": ("refit", "ledger", *GROUP_SETTINGS),
        "Output": ("out", "save_models"),
        "Computation": ("device", "precision", "gradient_checkpointing", "frames_mb", "check"),
    }

    store: Annotated[str, Option(metavar="PATH|URL", unset="WORKSPACE/stores/DATASET.zarr")]
    """Folder or URL of the store."""
    source: Annotated[str, Option(name="--from", metavar="FEATURE")]
    """Feature that the blocks start from, for instance whisper-base/layer-4: the blocks above it
    are trained, those below it are not needed. Layers have to be stored; it has to be pooled."""
    encoder: Annotated[
        Path | None, Option(kind="folder", unset="auto: where the store says that the model was")
    ] = None
    """Folder of the encoder that made the store; its weights must be the same (sha256)."""
    out: Annotated[Path, Option(short="-o", kind="folder", unset="WORKSPACE/results/DATASET-tuned")]
    """Folder of the results; in its folder `folds` are the tuned blocks of every fold."""
    heads: Annotated[
        tuple[TunedHeadName, ...],
        Field(min_length=1),
        Option(name="--head", joined=",", metavar="NAME,..."),
    ] = ("attentive",)
    """Heads on top: attentive (attentive statistics pooling), emobox, superb, transformer, or
    mean-std (mean and standard deviation of frames, then one linear layer)."""
    mix: bool = False
    """Let the head learn the weights of all layers from --from on; without, it reads the last."""
    lora: Annotated[Few | None, Option(metavar="RANK", unset="all weights are tuned")] = None
    """Tune low-rank matrices of this rank beside the projections of the attention, and nothing
    else of the blocks (LoRA); needs the package peft."""
    blocks_rates: Annotated[
        tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...],
        Field(min_length=1, max_length=100),
        Option(name="--blocks-lr", joined=",", metavar="RATE,..."),
    ] = (1e-4,)
    """Learning rates of the last block; each fold selects one of several on dev. 0 keeps the blocks
    as they are."""
    head_rate: Annotated[Rate, Option(name="--head-lr")] = 1e-3
    """Learning rate of the head."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Factor of the learning rate from each block to the one below it."""
    batch_size: Positive = 8
    """Utterances in a step."""
    epochs: Positive = 10
    """Epochs; the learning rate falls to 0 over these. The best one on dev is kept."""
    early_stopping: Annotated[Positive | None, Option(unset="never")] = None
    """Epochs without a better dev score after which training stops."""
    probe_first: bool = True
    """Fit the head's last linear layer to the untouched blocks before anything else is trained;
    that is epoch 0, which dev may prefer. Without, it begins at random."""
    warm_up: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Epochs in which the learning rate rises from 0."""
    class_weights: bool = False
    """Let rare classes weigh more in the loss: n / (classes * n of the class)."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Type of the blocks' products; weights and sums are fp32."""
    gradient_checkpointing: bool = False
    """Compute blocks again in the backward pass instead of keeping what they computed: less memory,
    a third more time."""
    frame_heads: Annotated[TunedHeadSettings, Option(shown=False)] = Field(
        default_factory=TunedHeadSettings
    )
    """Options of the head."""
    features: Annotated[tuple[str, ...], Option(shown=False)] = ()
    """What --from names."""
    save_models: bool = False
    """Make a model of every fold, in OUT/models: its blocks and its head, for `tokser predict`.
    Without, the blocks alone are kept, in OUT/folds."""
    search: Annotated[Literal["grid"], Option(shown=False)] = "grid"
    """Every learning rate is tried."""
    trials: Annotated[Few, Option(shown=False)] = 50
    """Of no use here."""
    track: Annotated[tuple[()], Option(shown=False)] = ()
    """No tracker is told."""
    functionals: Annotated[tuple[str, ...], Option(shown=False)] = ("mean", "std")
    """Of no use here: the head has its own way from frames to a vector."""
    standardise: Annotated[Literal["global"], Option(shown=False)] = "global"
    """The blocks take activations as they are."""

    @property
    def grid(self) -> GridSettings:
        """What is the same for every head: learning rate of the head, batches, epochs."""
        return GridSettings(
            batch_sizes=(self.batch_size,),
            learning_rates=(self.head_rate,),
            epochs=self.epochs,
            class_weights=self.class_weights,
            early_stopping=self.early_stopping,
        )

    @property
    def head_grid(self) -> dict[str, Any]:
        """Grid of a head of another package; there is none."""
        return {}

    @property
    def departures(self) -> tuple[str, ...]:
        """Say in words what was trained, and how."""
        said = {
            f"LoRA rank {self.lora}": self.lora is not None,
            "mix of layers": self.mix,
            "products in bf16": self.precision == "bf16",
        }
        return ("blocks tuned", *(text for text, is_so in said.items() if is_so))

    def experiment(self) -> "TuneSettings":
        """Return the same with the feature as the expression that is trained on.

        Models are made of finished folds, so the experiment keeps none.
        """
        return self.model_copy(update={"features": (self.source,), "save_models": False})


class ApplySettings(Settings):
    """`tokser apply`: which tuned blocks are applied to which store."""

    TOPICS: ClassVar = {
        "Input": ("store", "checkpoint", "encoder"),
        "Output": ("name",),
        "Computation": ("batch_size", "device", "check"),
    }

    store: Store
    """Folder or URL of the store that gets the tuned layers."""
    checkpoint: Annotated[Path, Option(kind="folder")]
    """Folder of a fold that `tokser tune` wrote: OUT/folds/NAME."""
    encoder: Annotated[
        Path | None, Option(kind="folder", unset="auto: where the store says that the model was")
    ] = None
    """Folder of the encoder that made the store; its weights must be the same (sha256)."""
    name: Annotated[str, Option(metavar="RUN", unset="the name of the checkpoint's folder")] = ""
    """First part of the features' names: RUN/layer-5, RUN/layer-6."""
    batch_size: Positive = 32
    """Utterances in a batch."""
    check: bool = True
    """Compare what is read from the store with its checksums."""
    device: Device = "auto"
    """Device to compute on; auto: a GPU where there is one."""
