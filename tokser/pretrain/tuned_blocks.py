"""Upper blocks of the speech encoder that are trained with the aligner, handed in as modules."""

from collections.abc import Callable
from typing import TypeAlias

from torch import nn

from tokser.config import PretrainSettings
from tokser.errors import SettingsError

__all__ = ["BlocksAbove", "no_blocks", "tuned_blocks"]

BlocksAbove: TypeAlias = Callable[[str], nn.Module]
"""Loads the blocks above a stored layer, by the feature's name."""


def no_blocks(feature: str) -> nn.Module:
    """Raise `SettingsError`: nothing here loads encoders."""
    raise SettingsError(
        feature,
        expected="the encoder whose upper blocks were trained with the aligner",
        got="a call without it",
        remedy="Use `tokser pretrain`, `tokser align` or `tokser attention`, which load it.",
    )


def tuned_blocks(
    settings: PretrainSettings, speech: str, blocks_above: BlocksAbove
) -> nn.Module | None:
    """Return the blocks that are trained; None without `tune_speech`.

    Args:
        settings: Of the run.
        speech: The layer that they start from.
        blocks_above: Loads them.

    Raises:
        SettingsError: The layer has another number of blocks above it, or there are several.
    """
    if not settings.tune_speech:
        return None
    if "," in speech:
        raise SettingsError(
            f"--tune-speech {settings.tune_speech}",
            expected="one layer of speech, below the blocks that are trained",
            got=speech,
            remedy="Name one layer with --speech.",
        )
    blocks = blocks_above(speech)
    num_above = len(blocks.blocks)  # type: ignore[arg-type]
    if num_above != settings.tune_speech:
        group, _, layer = speech.rpartition("/layer-")
        wanted = int(layer) + num_above - settings.tune_speech
        raise SettingsError(
            f"--tune-speech {settings.tune_speech}, --speech {speech}",
            expected=f"a layer with {settings.tune_speech} blocks above it: {group}/layer-{wanted}",
            got=f"one with {num_above}",
            remedy=f"Name that layer, or use --tune-speech {num_above}.",
        )
    return blocks.train()
