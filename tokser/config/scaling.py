"""Settings of `tokser scaling`."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.experiments import ClassifySettings, RegressSettings
from tokser.config.frame_heads import FRAME_HEADS, FrameHeadSettings
from tokser.config.grid import ONE_POINT, GridSettings
from tokser.config.head_grid import HeadGrid
from tokser.config.option import Option
from tokser.config.values import Device, HeadName, NumFolds, Positive, Seed, TargetName

__all__ = ["ScalingSettings"]

_Sizes = tuple[Positive, ...]


class ScalingSettings(Settings):
    """`tokser scaling`: which heads are trained on how much."""

    TOPICS: ClassVar = {
        "Input": ("store", "features", "targets"),
        "Sizes": ("num_speakers", "num_utterances", "num_draws", "seed"),
        "Split": ("protocol", "num_folds"),
        "Head": (
            *("head", "head_grid", "grid", "grid.epochs"),
            *("grid.class_weights", "grid.early_stopping"),
        ),
        "Evaluation": ("ledger",),
        "Output": ("out",),
        "Frame heads": FRAME_HEADS,
        "Computation": ("device", "frames_mb", "check"),
    }

    store: Annotated[str, Option(metavar="PATH|URL")]
    """Folder or URL of the store."""
    features: Annotated[
        tuple[str, ...],
        Option(joined=", ", splits=False, metavar="EXPRESSION,...", unset="all that are pooled"),
    ] = ()
    """Feature expressions, a curve each: whisper-base/layer-3; whisper-base/layer-*; a + b."""
    targets: Annotated[
        tuple[TargetName, ...],
        Option(
            name="--target",
            aliases=("--targets",),
            joined=",",
            metavar="NAME,...",
            unset="the emotion label",
        ),
    ] = ()
    """Columns of the manifest with numbers, predicted instead of the emotion and scored by CCC."""
    num_speakers: Annotated[
        _Sizes,
        Field(max_length=50),
        Option(
            name="--speakers",
            joined=",",
            metavar="N,...",
            unset="auto: up to seven, from 1 to all, each as many times the one before",
        ),
    ] = ()
    """Numbers of training speakers, each with all of their utterances."""
    num_utterances: Annotated[
        _Sizes,
        Field(max_length=50),
        Option(
            name="--utterances",
            joined=",",
            metavar="N,...",
            unset="auto: up to six, from about three of each class in all to all",
        ),
    ] = ()
    """Numbers of utterances of each training speaker, with all training speakers."""
    num_draws: Annotated[int, Field(ge=2, le=1000), Option(name="--draws")] = 10
    """Random orders of speakers and utterances; subsets of an order are nested, the smaller within
    the larger."""
    seed: Seed = 0
    """Seed of the orders, of kfold, and of weights."""
    protocol: Annotated[
        Literal["speaker", "kfold"] | None,
        Option(unset="auto: speaker with up to 12 speakers, else kfold"),
    ] = None
    """Which speakers are tested, the same for every subset. speaker: leave one speaker or session
    out; kfold: whole speakers distributed over folds."""
    num_folds: NumFolds = 5
    """Folds of the protocol kfold."""
    head: Annotated[HeadName | None, Option(unset="logreg; with --target: ridge")] = None
    """What is trained, as for `tokser classify` and `tokser regress`. A head that selects (all but
    logreg) takes dev from the subset itself, and is trained again on all of it."""
    head_grid: HeadGrid = Field(default_factory=dict)
    """Grid of a head that is package.module:Class, as for `tokser classify`."""
    grid: Annotated[
        GridSettings,
        Option(
            metavar="[baseline|proposed|KEY=VALUES,...]",
            bare="baseline",
            given="batch_size=32,lr=1e-3",
        ),
    ] = Field(default_factory=lambda: GridSettings(**ONE_POINT))
    """Grid that networks are searched over, as for `tokser classify`."""
    out: Annotated[Path | None, Option(short="-o", kind="folder", unset="nothing is kept")] = None
    """Folder of the tables and figures; what is finished is kept there, and the same call goes
    on."""
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

    def experiment(
        self, dataset: str, protocol: str, out: Path
    ) -> ClassifySettings | RegressSettings:
        """Return the experiment whose test parts and features these are.

        Args:
            dataset: Name of the corpus.
            protocol: Where none is set.
            out: Folder of the results.
        """
        shared: dict[str, Any] = self.model_dump(
            include={
                *("store", "features", "seed", "num_folds", "head_grid", "grid", "ledger"),
                *("check", "device", "frame_heads", "frames_mb"),
            }
        )
        more: dict[str, Any] = {
            "dataset": dataset,
            "protocols": (self.protocol or protocol,),
            "out": out,
        }
        if not self.targets:
            heads = {"heads": (self.head or "logreg",)}
            return ClassifySettings.parse(shared | more | heads, where="tokser scaling")
        more |= {"heads": (self.head or "ridge",), "targets": self.targets}
        return RegressSettings.parse(shared | more, where="tokser scaling")
