"""Settings of `tokser transfer`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tokser.config.calibration import Coverages
from tokser.config.experiments import GROUP_SETTINGS, ClassifySettings
from tokser.config.frame_heads import FRAME_HEADS
from tokser.config.option import Option
from tokser.config.values import DatasetName, NumFolds

__all__ = ["TransferSettings"]


class TransferSettings(ClassifySettings):
    """`tokser transfer`: corpora that are trained and tested on, each with each."""

    TOPICS: ClassVar = {
        "Input": ("store", "label_map", "features", "functionals", "dataset"),
        "Split": ("seed", "num_seeds"),
        "Head": (
            *("heads", "head_grid", "grid", "search", "trials", "grid.epochs"),
            *("grid.class_weights", "grid.early_stopping"),
        ),
        "Evaluation": ("standardise_by", "refit", "ledger", *GROUP_SETTINGS),
        "Output": ("out", "track"),
        "Frame heads": FRAME_HEADS,
        "Computation": ("device", "scheduler", "cluster", "frames_mb", "check"),
    }

    dataset: Annotated[DatasetName, Option(unset="the names of the corpora, joined by -")]
    """What the corpora are called together in tables and on the page."""
    store: Annotated[
        tuple[str, ...], Field(min_length=2, max_length=50), Option(metavar="PATH|URL")
    ]
    """Folder or URL of the store of one corpus; named at least twice."""
    label_map: Annotated[
        str | None,
        Option(
            name="--labels",
            metavar="NAME|FILE",
            unset="labels of the same name are the same class",
        ),
    ] = None
    """Label map: four-classes (anger, happiness, neutral, sadness), six-classes (and disgust,
    fear), valence (negative, neutral, positive), or a YAML file of one's own. Classes that a corpus
    lacks are left out everywhere; what is left out is counted."""
    standardise_by: Literal["train", "corpus"] = "train"
    """train: by statistics of the training corpora only; corpus: before that, each corpus by
    statistics of all of its recordings, without labels."""
    out: Annotated[Path, Option(short="-o", kind="folder", unset="WORKSPACE/results/DATASET")]
    """Folder of the results."""
    protocols: Annotated[tuple[()], Option(shown=False)] = ()
    """The matrix has its own."""
    labels: Annotated[Literal["single"], Option(shown=False)] = "single"
    """`label_map` says which label is which class."""
    splits_file: Annotated[None, Option(shown=False)] = None
    """None: a corpus is tested as a whole, or by speaker."""
    splits_format: Annotated[Literal["tokser"], Option(shown=False)] = "tokser"
    """Of no use here."""
    num_folds: Annotated[NumFolds, Option(shown=False)] = 5
    """Of no use here."""
    group_by: Annotated[Literal["speaker"], Option(shown=False)] = "speaker"
    """Of no use here."""
    stratify: Annotated[Literal[True], Option(shown=False)] = True
    """Of no use here."""
    standardise: Annotated[Literal["global"], Option(shown=False)] = "global"
    """`standardise_by` says more."""
    save_models: Annotated[Literal[False], Option(shown=False)] = False
    """Models are not kept."""
    calibrate: Annotated[None, Option(shown=False)] = None
    """Nothing is calibrated."""
    coverage: Annotated[Coverages, Option(shown=False)] = (0.9,)
    """Of no use here."""
    set_score: Annotated[Literal["lac"], Option(shown=False)] = "lac"
    """Of no use here."""

    @property
    def departures(self) -> tuple[str, ...]:
        """Say in words what departs from features as they are stored."""
        return ("standardised by corpus",) if self.standardise_by == "corpus" else ()
