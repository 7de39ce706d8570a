"""Which device the arithmetic runs on."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tokser.errors import SettingsError
from tokser.threads import this_thread_alone

if TYPE_CHECKING:
    import torch

__all__ = [
    "keep_to_one_thread",
    "one_thread",
    "resolve_device",
    "suited_batch_seconds",
]


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


def suited_batch_seconds(device: "torch.device") -> float:
    """Return how much audio one batch should hold, in seconds.

    Products of one window fill a processor's cores, and what lies between them its caches; a GPU
    needs more.
    """
    return 30.0 if device.type == "cpu" else 240.0


def keep_to_one_thread() -> None:
    """Keep torch's own loops in the calling thread to that thread; other threads are left alone.

    Threads that prefetch would otherwise each start a team of threads, and the encoder's would wait
    for them at every step. The setting is the calling thread's own: the process keeps its number.
    """
    import torch
    from threadpoolctl import threadpool_limits

    this_thread_alone()
    torch.get_num_threads()  # the first call in a thread sets its number
    threadpool_limits(1, user_api="openmp")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one CPU thread while the block runs.

    Small computations gain little from more, and on a busy machine torch's threads wait for
    each other many times longer than the computation takes.
    """
    import torch

    num_threads, take_back = torch.get_num_threads(), this_thread_alone()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
        take_back()
