"""The upper blocks of an encoder as a module: from the activations of one layer to those above it.

With untouched weights they compute what the encoder computed when the store was made, so training
can go on from a cached layer, and no recording is decoded again.
"""

import copy
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from tokser.encoders.base import Encoder
from tokser.errors import SettingsError

__all__ = ["HasUpperBlocks", "UpperBlocks", "WavLMUpperBlocks", "require_blocks_above"]


def require_blocks_above(encoder: Encoder, first: int) -> None:
    """Raise `SettingsError` unless an encoder has blocks above a layer."""
    if not 0 <= first < encoder.num_layers:
        raise SettingsError(
            f"{encoder.name}/layer-{first}",
            expected=f"a layer with blocks above it: 0 to {encoder.num_layers - 1}",
            got=str(first),
            remedy="Name such a layer.",
        )


class UpperBlocks(torch.nn.Module):
    """Blocks k + 1 to L of a transformer, each a function of states and a mask of keys.

    Args:
        blocks: Blocks k + 1 to L, copied.
        final_norm: What follows the last block; None: nothing.
        first: k, the number of the layer that they read.
        norm_is_apart: Whether layer L is the output of the last block and L + 1 that of the norm;
            otherwise the norm is a part of layer L.
        max_rows: Largest number of rows that the blocks attend over; longer utterances were cut
            into windows of as many, which follow each other. None: any number.
    """

    def __init__(
        self,
        blocks: Sequence[torch.nn.Module],
        *,
        first: int,
        final_norm: torch.nn.Module | None = None,
        norm_is_apart: bool = False,
        max_rows: int | None = None,
    ) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList(copy.deepcopy(block) for block in blocks)
        self.final_norm = copy.deepcopy(final_norm)
        self.requires_grad_(True)
        _switch_off_dropout(self)
        self.first, self.norm_is_apart, self.max_rows = first, norm_is_apart, max_rows
        self.saves_memory = False
        """Whether blocks are computed again in the backward pass instead of being kept."""

    @property
    def layers(self) -> list[int]:
        """Numbers of the layers that `forward` returns."""
        last = self.first + len(self.blocks)
        return list(range(self.first + 1, last + 1 + self.norm_is_apart))

    def forward(
        self, states: Float[Tensor, "utterances rows dim"], lengths: Int[Tensor, " utterances"]
    ) -> dict[int, Float[Tensor, "utterances rows dim"]]:
        """Return every layer above the first one; rows beyond an utterance's end mean nothing.

        Args:
            states: Activations of layer k, padded at the end of each utterance.
            lengths: Rows of each utterance, at least one.
        """
        is_valid = torch.arange(states.shape[1], device=states.device) < lengths[:, None]
        # Without padding there is no mask, as in extraction, so the kernels are the same.
        valid = None if bool(is_valid.all()) else is_valid
        shared = self.prepare(states)
        found = {}
        for number, block in enumerate(self.blocks, start=self.first + 1):
            if self.saves_memory and self.training:
                states = checkpoint(
                    self.run_block, block, states, valid, shared, use_reentrant=False
                )
            else:
                states = self.run_block(block, states, valid, shared)
            found[number] = states
        if self.final_norm is not None:
            last = self.first + len(self.blocks)
            found[last + self.norm_is_apart] = self.final_norm(states)
        return found

    def prepare(self, states: Float[Tensor, "utterances rows dim"]) -> Tensor | None:
        """Return what all blocks share; nothing here."""
        return None

    def run_block(
        self,
        block: Any,
        states: Float[Tensor, "utterances rows dim"],
        valid: Bool[Tensor, "utterances rows"] | None,
        shared: Tensor | None,
    ) -> Float[Tensor, "utterances rows dim"]:
        """Apply one block.

        Args:
            block: The block.
            states: Its input.
            valid: Rows that may be attended to; None: all.
            shared: What `prepare` returned.
        """
        mask = None if valid is None else valid[:, None, None, :]
        found: Tensor = block(states, mask)
        return found


@runtime_checkable
class HasUpperBlocks(Protocol):
    """An encoder whose upper blocks can be trained from a stored layer."""

    def upper_blocks(self, first: int) -> UpperBlocks:
        """Return the blocks above layer `first`."""


def _switch_off_dropout(blocks: torch.nn.Module) -> None:
    """Let blocks compute the same in training as elsewhere, as the stored layers below them do."""
    for part in blocks.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        for name in ("dropout", "activation_dropout"):
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, 0.0)


class WavLMUpperBlocks(UpperBlocks):
    """Those of WavLM: all blocks share the relative position bias that the first block owns.

    Args:
        position_bias: The attention of the model's first block, which has the table of the bias.
        blocks: See `UpperBlocks`.
        first: See `UpperBlocks`.
        final_norm: See `UpperBlocks`.
        norm_is_apart: See `UpperBlocks`.
    """

    def __init__(
        self,
        position_bias: torch.nn.Module,
        blocks: Sequence[torch.nn.Module],
        *,
        first: int,
        final_norm: torch.nn.Module | None = None,
        norm_is_apart: bool = False,
    ) -> None:
        super().__init__(blocks, first=first, final_norm=final_norm, norm_is_apart=norm_is_apart)
        owner: Any = self.blocks[0]
        if first > 0:
            # A block below the first layer is not trained, and neither is the bias that it owns.
            self.position_bias: Any = copy.deepcopy(position_bias).requires_grad_(False)
        else:
            self.position_bias = owner.attention

    def prepare(self, states: Float[Tensor, "utterances rows dim"]) -> Tensor:
        """Return the position bias, [utterances * heads, rows, rows]."""
        rows, num = states.shape[0], states.shape[1]
        bias: Tensor = self.position_bias.compute_bias(num, num)
        return bias.repeat(rows, 1, 1)

    def run_block(
        self,
        block: Any,
        states: Float[Tensor, "utterances rows dim"],
        valid: Bool[Tensor, "utterances rows"] | None,
        shared: Tensor | None,
    ) -> Float[Tensor, "utterances rows dim"]:
        """Apply one block with the shared bias."""
        found: Tensor = block(states, attention_mask=valid, position_bias=shared)[0]
        return found
