"""Settings of `tokser probe`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import Seed

__all__ = ["ProbeHead", "ProbeSettings"]

ProbeHead = Literal["ridge", "logreg"]


class ProbeSettings(Settings):
    """`tokser probe`: what which features know."""

    TOPICS: ClassVar = {
        "Input": ("store", "features", "targets"),
        "Probe": ("head",),
        "Split": ("seed",),
        "Output": ("out",),
        "Computation": ("check",),
    }

    store: Annotated[str, Option(metavar="PATH|URL")]
    """Folder or URL of the store."""
    features: Annotated[
        tuple[str, ...],
        Option(aliases=("--feature",), joined=",", metavar="NAME,...", unset="all that are pooled"),
    ] = ()
    """Features to probe, such as whisper-base/layer-3 or, with quotes, 'whisper-base/layer-*'."""
    targets: Annotated[
        tuple[str, ...],
        Option(aliases=("--target",), joined=",", metavar="NAME,...", unset="all that there are"),
    ] = ()
    """What is predicted: emotion, speaker, sex, language, sentence, duration; energy and f0, after
    `tokser pool --acoustic` or with eGeMAPS in the store; or any column of the manifest."""
    head: ProbeHead = "ridge"
    """What is fitted to classes. ridge: solved in closed form; logreg: logistic regression,
    several times slower. Numbers are predicted by ridge either way."""
    seed: Seed = 0
    """Assigns speakers (for the target speaker: sentences) to folds, and shuffles the controls."""
    out: Annotated[Path | None, Option(short="-o", kind="folder", unset="nothing is written")] = (
        None
    )
    """Folder of the table and of the curves."""
    check: bool = True
    """Compare what is read from the store with its checksums."""
