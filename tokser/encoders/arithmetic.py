"""Where an encoder computes, and in which number type."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch

from tokser.config import PrecisionName
from tokser.encoders import fast_products
from tokser.encoders.base import PRECISIONS
from tokser.errors import SettingsError

__all__ = ["Arithmetic"]

ModelT = TypeVar("ModelT", bound=torch.nn.Module)


@dataclass(frozen=True)
class Arithmetic:
    """Where an encoder computes, and the type of its weights and matrix products.

    In the short types the weights of linear maps and convolutions are stored and multiplied
    short, while embeddings, norms and the sums from block to block stay fp32. On a CPU this is as
    fast as casting everything, and a third more exact.

    Attributes:
        device: Where the model runs.
        precision: `fp32`, `bf16` or `fp16`.

    Raises:
        SettingsError: fp16 on a CPU, which has no fast product of that type.
    """

    device: torch.device
    precision: PrecisionName = "fp32"

    def __post_init__(self) -> None:
        if self.precision == "fp16" and self.device.type == "cpu":
            raise SettingsError(
                "--precision fp16",
                expected="fp32 or bf16 on a CPU, where fp16 takes longer than fp32",
                got="fp16",
                remedy="Use --precision bf16, or a GPU with --device cuda.",
            )

    @property
    def name(self) -> str:
        """Name of the type as provenance has it, for instance `bfloat16`."""
        return PRECISIONS[self.precision]

    @property
    def dtype(self) -> torch.dtype:
        """Type of weights and products."""
        found: torch.dtype = getattr(torch, self.name)
        return found

    def prepare(self, model: ModelT) -> ModelT:
        """Move a frozen model to the device, its weights in the type of `precision`."""
        for part in model.modules():
            if isinstance(part, torch.nn.Linear | torch.nn.Conv1d):
                part.to(self.dtype)
        return model.to(self.device)

    def pin(self, tensor: torch.Tensor) -> torch.Tensor:
        """Put a tensor where the device can copy it by itself: for a GPU, in pinned memory."""
        return tensor.pin_memory() if self.device.type == "cuda" else tensor

    def to_device(self, pinned: torch.Tensor) -> torch.Tensor:
        """Copy a tensor from `pin` to the device; on a GPU, without waiting."""
        return pinned.to(self.device, non_blocking=self.device.type == "cuda")

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        """Compute without gradients, and multiply in `precision`, while the block runs."""
        is_short = self.precision != "fp32"
        is_faster = self.device.type == "cpu" and fast_products.suits(self.dtype)
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, self.dtype if is_short else None, enabled=is_short),
            fast_products.FastProducts(self.dtype) if is_faster else contextlib.nullcontext(),
        ):
            yield
