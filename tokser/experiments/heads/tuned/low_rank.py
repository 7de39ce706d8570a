"""Low-rank tuning (LoRA): small matrices beside the projections of the attention.

W x becomes W x + (rank scale) B A x, with A [rank, in] and B [out, rank] trained and W kept. What
is saved are the weights with B A added in, so a checkpoint is read without peft.

Source: Hu et al. 2021, LoRA.
"""

from typing import Any

import torch
from torch import Tensor

from tokser.errors import MissingPackageError, SettingsError

__all__ = ["ATTENTION", "add_adapters", "merged_weights"]

ATTENTION = (
    *("q_proj", "k_proj", "v_proj", "out_proj"),
    *("query", "key", "value"),
    *("q_lin", "k_lin", "v_lin", "out_lin"),
)
"""What the families call the projections of their attention."""
_ADAPTER = "default"
_SCALE = 2
"""alpha over rank: what B A is multiplied by."""


def add_adapters(module: Any, rank: int, seed: int) -> None:
    """Put adapters into a module in place, and freeze everything else.

    Args:
        module: The blocks.
        rank: Of A and B.
        seed: Of A; B is 0, so nothing changes at first.

    Raises:
        MissingPackageError: peft is not installed.
        SettingsError: The module has no projection of a known name.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingPackageError(
            "--lora",
            expected="the package peft",
            got=str(error),
            remedy="Install it with `pip install 'tokser[tune]'`, or tune all weights: leave out "
            "--lora.",
        ) from error
    # Not those of WavLM's position bias, which belongs to a block below.
    names = [name for name, _ in module.named_modules() if name.startswith("blocks.")]
    targets = [name for name in names if name.rpartition(".")[2] in ATTENTION]
    if not targets:
        raise SettingsError(
            "--lora",
            expected=f"an encoder whose attention has {', '.join(ATTENTION)}",
            got="one without",
            remedy="Tune all weights: leave out --lora.",
        )
    module.requires_grad_(False)
    config = LoraConfig(r=rank, lora_alpha=_SCALE * rank, target_modules=targets, bias="none")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, module, adapter_name=_ADAPTER)


def merged_weights(module: Any) -> dict[str, Tensor]:
    """Return the projections with what their adapters add, under the names without adapters."""
    found = {}
    for name, part in module.named_modules():
        if hasattr(part, "lora_A") and hasattr(part, "get_delta_weight"):
            weight = part.get_base_layer().weight
            found[f"{name}.weight"] = (weight + part.get_delta_weight(_ADAPTER)).detach()
    return found
