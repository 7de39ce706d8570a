"""Extraction on a GPU: audio hours a second, and what bounds them. Measured where there is one."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import torch
from extract_data import whisper_of_size, whole_windows
from ratios import markdown_table
from ready import Ready

from tokser.encoders.log_mel import LogMel

__all__ = ["measure"]

SIZES = {
    "base": {"dim": 512, "num_layers": 6, "num_mels": 80},
    "large-v3": {"dim": 1_280, "num_layers": 32, "num_mels": 128},
}
WINDOWS, WINDOW_S, RATE_HZ = 256, 30, 16_000


def measure(folder: Path, wavs: Path) -> list[tuple[dict[str, float], str]]:
    """Return figures and a table of Whisper in bf16; nothing without a GPU."""
    if not torch.cuda.is_available():
        return []
    root = whole_windows(wavs, folder / "windows", WINDOWS)
    hours = WINDOWS * WINDOW_S / 3600
    products_per_s = _products_per_s()
    figures: dict[str, float] = {}
    rows = []
    for name, size in SIZES.items():
        model = whisper_of_size(folder / f"whisper-{name}", **size)
        ready = Ready(root, model, precision="bf16", device="cuda", batch_seconds=960.0)
        mel = LogMel(size["num_mels"])
        stores = (folder / f"{name}-{turn}.zarr" for turn in itertools.count())
        waveforms = torch.zeros(32, WINDOW_S * RATE_HZ, device="cuda")
        seconds = {
            "extraction": _seconds(lambda at=stores, it=ready: it.fresh(next(at))),
            "encoder with log-mel": _seconds(ready.bare),
            "log-mel": _seconds(lambda take=mel, of=waveforms: take(of, WINDOW_S * RATE_HZ))
            * (WINDOWS / 32),
            "reading, one thread": _seconds(ready.load),
            "arithmetic": WINDOWS * _products(size["dim"], size["num_layers"]) / products_per_s,
        }
        figures[f"gpu_{name}_hours_per_s"] = hours / seconds["extraction"]
        figures[f"gpu_{name}_pipeline_vs_encoder"] = (
            seconds["encoder with log-mel"] / seconds["extraction"]
        )
        rows.append([f"Whisper-{name}", *(f"{hours / value:.2f}" for value in seconds.values())])
    header = [f"{torch.cuda.get_device_name()}, bf16: audio hours a second", *seconds]
    return [(figures, markdown_table(header, rows))]


def _products(dim: int, num_layers: int, frames: int = 1_500) -> float:
    """Multiplications and additions of the blocks of an encoder over one window."""
    return num_layers * (2 * 12 * dim * dim * frames + 4 * frames * frames * dim)


def _products_per_s(size: int = 8_192) -> float:
    """Multiplications and additions a second of a large product in bf16."""
    left = torch.randn(size, size, device="cuda", dtype=torch.bfloat16)
    return 2 * size**3 / _seconds(lambda: left @ left)


def _seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """Time work on the GPU, the best of a few turns after one that warms up."""
    times = []
    for _ in range(rounds + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])
