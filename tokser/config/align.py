"""Settings of `tokser align`."""

from pathlib import Path
from typing import Annotated, ClassVar

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import Device, Positive, Store

__all__ = ["AlignSettings"]


class AlignSettings(Settings):
    """`tokser align`: which run's aligner is applied to which store."""

    TOPICS: ClassVar = {
        "Input": ("store", "checkpoint", "encoder"),
        "Computation": ("batch_size", "device", "check"),
    }

    store: Store
    """Folder or URL of the store that gets the aligned feature."""
    checkpoint: Annotated[Path, Option(kind="folder")]
    """Folder of a pretraining run."""
    encoder: Annotated[
        str | None, Option(metavar="ID|FOLDER", unset="where it was at extraction")
    ] = None
    """The speech encoder, needed where its upper blocks were trained with the aligner."""
    batch_size: Positive = 64
    """Utterances in a batch."""
    check: bool = True
    """Compare what is read from the store with its checksums."""
    device: Device = "auto"
    """Device to compute on; auto: a GPU where there is one."""
