"""The aligner's variants by name."""

from collections.abc import Mapping
from typing import Any

from tokser.config.base import VARIANT_ALIASES
from tokser.errors import SettingsError
from tokser.pretrain.aligner import Aligner
from tokser.pretrain.listener import ListenerAligner
from tokser.pretrain.paper import PaperAligner
from tokser.pretrain.scaled import ScaledAligner
from tokser.pretrain.sunder import SunderAligner

__all__ = ["ALIGNERS", "build_aligner"]

ALIGNERS: dict[str, type[Aligner]] = {
    "paper": PaperAligner,
    "scaled": ScaledAligner,
    "sunder": SunderAligner,
    "listener": ListenerAligner,
}
"""Variants; all share the interface of `Aligner`."""


def build_aligner(
    variant: str, text_dim: int, speech_dim: int, num_layers: int, options: Mapping[str, Any]
) -> Aligner:
    """Make an untrained aligner; its weights come from torch's generator.

    Args:
        variant: Key of `ALIGNERS`, or its former name.
        text_dim: Width D_t of queries and teacher.
        speech_dim: Width D_s of the frames.
        num_layers: Speech layers that are mixed.
        options: Options of the variant's own.

    Raises:
        SettingsError: There is no such variant, or it has no such option.
    """
    variant = VARIANT_ALIASES.get(variant, variant)
    if variant not in ALIGNERS:
        raise SettingsError(
            "--variant",
            expected=f"one of {', '.join(ALIGNERS)}",
            got=variant,
            remedy="Name one of these.",
        )
    kind = ALIGNERS[variant]
    parsed = kind.Options.parse(options, where=f"--option of --variant {variant}")
    return kind(text_dim, speech_dim, num_layers, parsed)
