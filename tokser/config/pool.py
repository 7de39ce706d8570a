"""Settings of `tokser pool`."""

from pathlib import Path
from typing import Annotated, ClassVar

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import Store

__all__ = ["PoolSettings"]


class PoolSettings(Settings):
    """`tokser pool`: which features of a store get mean and standard deviation."""

    TOPICS: ClassVar = {
        "Input": ("store", "features", "root"),
        "Output": ("functionals", "acoustic"),
    }

    store: Store
    """Folder or URL of the store."""
    features: Annotated[
        tuple[str, ...], Option(name="--feature", aliases=("--features",), unset="every feature")
    ] = ()
    """Feature to pool, such as whisper-base/layer-6."""
    functionals: Annotated[
        tuple[str, ...],
        Option(name="--functional", aliases=("--functionals",), unset="only mean and std"),
    ] = ()
    """Functional beyond mean and std: min, max, or a quantile in percent such as q25."""
    acoustic: bool = False
    """Measure energy and pitch (F0) of every recording, too, and keep mean and standard deviation
    of each utterance as the feature acoustic/functionals: targets of `tokser probe`."""
    root: Annotated[
        Path | None, Option(kind="folder", unset="auto: where it was at extraction")
    ] = None
    """Folder of the corpus, whose recordings --acoustic reads."""
