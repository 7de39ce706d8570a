"""Upper blocks of encoders that are trained with the aligner, handed in as modules."""

from collections.abc import Callable
from typing import TypeAlias

from torch import nn

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


def tuned_blocks(option: str, num_blocks: int, layer: str, blocks_above: BlocksAbove) -> nn.Module:
    """Return the blocks above a layer, ready to be trained.

    Args:
        option: Name of the option that asks for them.
        num_blocks: How many it asks for.
        layer: The layer that they start from.
        blocks_above: Loads them.

    Raises:
        SettingsError: The layer has another number of blocks above it, or there are several.
    """
    if "," in layer:
        raise SettingsError(
            f"{option} {num_blocks}",
            expected="one layer, below the blocks that are trained",
            got=layer,
            remedy="Name one layer.",
        )
    blocks = blocks_above(layer)
    num_above = len(blocks.blocks)  # type: ignore[arg-type]
    if num_above != num_blocks:
        group, _, number = layer.rpartition("/layer-")
        wanted = int(number) + num_above - num_blocks
        raise SettingsError(
            f"{option} {num_blocks}, {layer}",
            expected=f"a layer with {num_blocks} blocks above it: {group}/layer-{wanted}",
            got=f"one with {num_above}",
            remedy=f"Name that layer, or use {option} {num_above}.",
        )
    return blocks.train()
