"""Settings of `tokser push` and `tokser pull`."""

from pathlib import Path
from typing import Annotated, ClassVar

from tokser.config.base import Settings
from tokser.config.option import Option

__all__ = ["PullSettings", "PushSettings"]

_Features = Annotated[
    tuple[str, ...],
    Option(joined=",", metavar="NAME,...", unset="all"),
]


class PushSettings(Settings):
    """`tokser push`: what is shared, where, and with which right."""

    TOPICS: ClassVar = {
        "What": ("source", "target", "features", "functionals_only"),
        "Right to share": ("i_may_share", "licence"),
        "Signature": ("sign",),
    }

    source: Annotated[Path, Option(is_argument=True)]
    """Store or model folder of this machine."""
    target: Annotated[str, Option(is_argument=True)]
    """hf://datasets/USER/NAME, s3://BUCKET/NAME, or a folder."""
    features: _Features = ()
    """Features of a store to share, such as whisper-base/layer-3; functionals go with them."""
    functionals_only: bool = False
    """Share the functionals alone: what classifiers of pooled features need, hundreds of times
    smaller than frames."""
    i_may_share: bool = False
    """State that you have the right to share activations of a corpus whose licence does not permit
    it (IEMOCAP, MSP-Podcast) or is not known (your own)."""
    licence: Annotated[str, Option(metavar="SPDX|TEXT", unset="that of the known corpus")] = ""
    """Licence of the corpus, for the card: CC-BY-4.0, or a few words."""
    sign: Annotated[Path | None, Option(kind="file", metavar="KEY", unset="not signed")] = None
    """SSH key to sign the digests with, by ssh-keygen."""


class PullSettings(Settings):
    """`tokser pull`: what is fetched, and whom it must come from."""

    TOPICS: ClassVar = {
        "What": ("source", "target", "features", "functionals_only"),
        "Signature": ("signed_by",),
    }

    source: Annotated[str, Option(is_argument=True)]
    """hf://datasets/USER/NAME, s3://BUCKET/NAME, https://..., or a folder."""
    target: Annotated[Path, Option(is_argument=True)]
    """Store or model folder to write."""
    features: _Features = ()
    """Features of a store to fetch, such as whisper-base/layer-3; functionals go with them."""
    functionals_only: bool = False
    """Fetch the functionals alone."""
    signed_by: Annotated[
        Path | None, Option(kind="file", metavar="KEYS", unset="any signature is only reported")
    ] = None
    """File of public SSH keys: one of them must have signed."""
