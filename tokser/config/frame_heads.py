"""What heads over frames are made of, and what their training adds to the grid's."""

from typing import Annotated, Literal

from pydantic import Field

from tokser.config.base import Settings
from tokser.config.option import Option
from tokser.config.values import Few

__all__ = ["FRAME_HEADS", "FrameHeadSettings"]

_Share = Annotated[float, Field(ge=0, lt=1), Option(alone=True)]


class FrameHeadSettings(Settings):
    """Options of the heads superb, emobox, attentive, transformer and cross-attention."""

    attention_heads: Annotated[Few, Option(alone=True)] = 1
    """Weightings of the frames that attentive and cross-attention learn side by side, and attention
    heads in each block of transformer."""
    blocks: Annotated[Few, Option(alone=True)] = 1
    """Blocks of transformer."""
    layer_norm: Annotated[bool, Option(alone=True)] = False
    """Apply LayerNorm without gain to each layer's frames before mix(...) adds them up."""
    dropout: _Share = 0.0
    """Share of the pooled values (and of a transformer's blocks) that training sets to 0."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False), Option(alone=True)] = 0.0
    """Weight decay of AdamW."""
    label_smoothing: _Share = 0.0
    """Share of each label that is spread over all classes in training."""
    ensemble: Annotated[Few, Option(alone=True)] = 1
    """Networks with different first weights whose outputs are averaged."""
    training_precision: Annotated[Literal["fp32", "bf16"], Option(alone=True)] = "fp32"
    """Precision in which attentive, emobox and transformer multiply frames and weights in training.
    bf16 is faster where the CPU supports it; means, standard deviations, attention, Adam and
    predictions stay in fp32."""


FRAME_HEADS = tuple(f"frame_heads.{name}" for name in FrameHeadSettings.model_fields)
"""Their names as options of commands."""
