"""Settings of `tokser pool`."""

from typing import Annotated, ClassVar

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import Store

__all__ = ["PoolSettings"]


class PoolSettings(Settings):
    """`tokser pool`: which features of a store get mean and standard deviation."""

    TOPICS: ClassVar = {"Input": ("store", "features"), "Output": ("functionals",)}

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
