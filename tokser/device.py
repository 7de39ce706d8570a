"""Which device the arithmetic runs on."""

from typing import TYPE_CHECKING

from tokser.errors import SettingsError

if TYPE_CHECKING:
    import torch

__all__ = ["resolve_device"]


def resolve_device(name: str) -> "torch.device":
    """Return the device that a setting names; `auto` takes a GPU where there is one.

    Raises:
        SettingsError: There is no such device on this machine.
    """
    import torch  # takes seconds, and `tokser --help` must not

    available = ["cpu"]
    if torch.cuda.is_available():
        available = [*(f"cuda:{i}" for i in range(torch.cuda.device_count())), "cuda", *available]
    if torch.backends.mps.is_available():
        available = ["mps", *available]
    if name == "auto":
        return torch.device(available[0])
    if name not in available:
        raise SettingsError(
            "--device",
            expected=f"auto, {', '.join(sorted(available))}",
            got=name,
            remedy="`tokser doctor` shows the devices of this machine.",
        )
    return torch.device(name)
