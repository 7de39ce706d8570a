"""Settings of `tokser similarity`."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import Few, Seed

__all__ = ["SimilaritySettings"]


class SimilaritySettings(Settings):
    """`tokser similarity`: how alike which features are."""

    TOPICS: ClassVar = {
        "Input": ("store", "features"),
        "Samples": ("frames_per_utterance", "batch_size", "seed"),
        "Output": ("out",),
        "Computation": ("check",),
    }

    store: Annotated[str, Option(metavar="PATH|URL")]
    """Folder or URL of the store."""
    features: Annotated[
        tuple[str, ...],
        Option(aliases=("--feature",), joined=",", metavar="NAME,...", unset="all that are pooled"),
    ] = ()
    """Features to compare, such as whisper-base/layer-3 or, with quotes, 'whisper-base/layer-*'."""
    frames_per_utterance: Few = 8
    """Frames drawn of each utterance, evenly."""
    batch_size: Annotated[int, Field(ge=16, le=8192)] = 512
    """Samples in a minibatch of the unbiased estimate."""
    seed: Seed = 0
    """Decides minibatches, and which speakers ridge regression is scored on."""
    out: Annotated[Path | None, Option(short="-o", kind="folder", unset="nothing is written")] = (
        None
    )
    """Folder of the table and of the heat maps."""
    check: bool = True
    """Compare what is read from the store with its checksums."""
