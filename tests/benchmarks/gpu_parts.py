"""The parts of `bench_gpu`, each measured in a process of its own.

Everything is made here, of random numbers: a GPU is often lent without data or network.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

__all__ = ["PARTS", "Size", "measure_part"]

RATE_HZ = 16_000
LIBRISPEECH_960 = 281_241


class Size(NamedTuple):
    """How much is measured: what a GPU takes, or what rehearses the script on a processor."""

    device: str
    windows: int
    window_s: float
    batch_seconds: float
    product: int
    whisper: Mapping[str, Mapping[str, int]]
    wavlm: Mapping[str, Mapping[str, Any]]
    utterances: int
    batch: int
    epochs: int
    folds: int
    tuned: int


_LARGE_WAVLM = {
    "hidden_size": 1_024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4_096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}
_TINY_WAVLM = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (32,) * 7,
    "num_conv_pos_embeddings": 16,
}
SIZES = {
    "whole": Size(
        *("cuda", 256, 30.0, 960.0, 8_192),
        {
            "base": {"dim": 512, "num_layers": 6, "num_mels": 80},
            "large-v3": {"dim": 1_280, "num_layers": 32, "num_mels": 128},
        },
        {"large": _LARGE_WAVLM},
        *(1_664, 64, 30, 10, 128),
    ),
    "rehearsal": Size(
        *("cpu", 2, 2.0, 60.0, 256),
        {"base": {"dim": 64, "num_layers": 2, "num_mels": 80}},
        {"large": _TINY_WAVLM},
        *(160, 8, 1, 2, 8),
    ),
}


class Row(NamedTuple):
    """A row of a part's table, and the figures that it holds."""

    cells: list[str]
    figures: dict[str, float]


def measure_part(name: str, size: str, folder: Path) -> Iterator[Row]:
    """Yield row after row, as soon as each is measured."""
    yield from PARTS[name].measure(SIZES[size], folder)


def extraction(size: Size, folder: Path) -> Iterator[Row]:
    """Hours of audio a second, and what holds it up."""
    from extract_data import noise_windows, wavlm_of_size, whisper_of_size

    root = noise_windows(folder / "windows", size.windows, size.window_s)
    per_s = products_per_s(size, torch.bfloat16)
    samples = int(size.window_s * RATE_HZ)
    for name, shape in size.whisper.items():
        model = whisper_of_size(folder / f"whisper-{name}", **shape)
        flop = block_products(shape["dim"], shape["num_layers"], 1_500)
        yield _extraction(f"Whisper-{name}", model, root, size, flop / per_s)
    for name, config in size.wavlm.items():
        model = wavlm_of_size(folder / f"wavlm-{name}", **config)
        yield _extraction(
            f"WavLM-{name}", model, root, size, wavlm_products(config, samples) / per_s
        )


def _extraction(name: str, model: Path, root: Path, size: Size, limit_s: float) -> Row:
    """Measure one encoder; `limit_s`: of the arithmetic of one window."""
    from ready import Ready

    options = {"device": size.device, "precision": "bf16", "batch_seconds": size.batch_seconds}
    ready = Ready(root, model, **options)
    stores = (root.parent / f"{name}-{turn}.zarr" for turn in itertools.count())
    seconds = {
        "extraction": best_of(size, lambda: ready.fresh(next(stores)), 2),
        "encoder": best_of(size, ready.bare, 2),
        "reading": best_of(size, ready.load, 1),
        "arithmetic": size.windows * limit_s,
    }
    hours = size.windows * size.window_s / 3600
    share = seconds["arithmetic"] / seconds["encoder"]
    prefix = "extract_" + name.lower().replace("-", "_")
    figures = {f"{prefix}_hours_per_s": hours / seconds["extraction"]}
    figures[f"{prefix}_share_of_limit"] = share
    cells = [f"{hours / value:.3g}" for value in seconds.values()]
    return Row([name, *cells, f"{share:.0%}", _bound(seconds)], figures)


def _bound(seconds: Mapping[str, float]) -> str:
    """Say what holds an extraction up."""
    if seconds["encoder"] >= 0.8 * seconds["extraction"]:
        is_full = seconds["arithmetic"] >= 0.5 * seconds["encoder"]
        return "arithmetic" if is_full else "what the encoder does beside products"
    return "reading" if seconds["reading"] / 8 >= 0.5 * seconds["extraction"] else "writing"


def pretraining(size: Size, folder: Path) -> Iterator[Row]:
    """A step on a batch in memory, and steps of an epoch from the store, from RAM, from the GPU."""
    from bench_pretrain import Bench, Held, seconds_per_step, step_gflop
    from pretrain_data import write_pretraining_store

    from tokser.pretrain.data import Batches
    from tokser.pretrain.preload import preloaded

    path = folder / "pretrain.zarr"
    write_pretraining_store(path, size.utterances)
    bench, device = Bench.open(path), torch.device(size.device)
    mismatched = dict(zip(bench.dev, bench.dev[::-1], strict=True))
    shared = {"device": size.device, "batch_size": size.batch}
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        settings = bench.settings(precision=precision, **shared)
        held = Held(bench.pairs, bench.train, mismatched, settings)
        batch = bench.pairs.gather(bench.mean_batch(**shared))
        held.held = batch.to(device)
        step = min(seconds_per_step(bench, held, settings) for _ in range(2))
        gflop = step_gflop(batch.inputs.num_frames.numpy(), batch.inputs.num_tokens.numpy())
        share = 1e9 * gflop / step / products_per_s(size, dtype)
        yield _step(f"{precision}, one batch in memory", step, size, f"{share:.0%}")
        for preload in ("none", "ram", "device"):
            pairs = bench.pairs
            if preload != "none":
                where = torch.device("cpu") if preload == "ram" else device
                pairs = preloaded(pairs, [*bench.train, *bench.dev], where)
            pins = device.type == "cuda" and preload != "device"
            data = Batches(pairs, bench.train, mismatched, settings, pins=pins)
            found = min(seconds_per_step(bench, data, settings) for _ in range(2))
            yield _step(f"{precision}, --preload {preload}", found, size, "")


def _step(name: str, seconds: float, size: Size, share: str) -> Row:
    minutes = -(-LIBRISPEECH_960 // size.batch) * seconds / 60
    key = name.replace("one batch in memory", "held").replace(", --preload ", "_")
    figures = {f"pretrain_{key.replace(', ', '_')}_ms": 1e3 * seconds}
    return Row([name, f"{1e3 * seconds:.2f}", f"{minutes:.2f}", share], figures)


def grid(size: Size, folder: Path) -> Iterator[Row]:
    """The baseline grid on functionals of EmoDB's size, one layer."""
    from tokser.config import GridSettings
    from tokser.experiments.heads.registry import HEADS
    from tokser.experiments.search import search

    settings = GridSettings(epochs=size.epochs)
    data = _training_data(size, settings, width=1_024)
    seconds = best_of(size, lambda: search(HEADS["mlp"], data), 1)
    models = len(data.points) * len(data.splits)
    figures = {"grid_s": seconds, "grid_models_per_s": models / seconds}
    yield Row([f"{models} models", f"{seconds:.2f}", f"{models / seconds:.1f}"], figures)


def heads(size: Size, folder: Path) -> Iterator[Row]:
    """Attentive pooling over the frames of a store of EmoDB's size, all folds."""
    from heads_data import GROUP, write_heads_store

    from tokser.config import FrameHeadSettings, GridSettings
    from tokser.experiments.frames import TermFrames
    from tokser.experiments.heads.registry import HEADS
    from tokser.experiments.search import search
    from tokser.store import open_store

    path = folder / "heads.zarr"
    write_heads_store(path, 535 if size.device != "cpu" else 60, num_layers=1)
    layer = open_store(path)[f"{GROUP}/layer-0"]
    settings = GridSettings(
        batch_sizes=(32,), learning_rates=(1e-3, 3e-4, 1e-4), epochs=size.epochs
    )
    for precision in ("fp32", "bf16"):
        options = FrameHeadSettings(training_precision=precision)
        data = _training_data(
            size,
            settings,
            utterances=open_store(path).utterances,
            frames=(TermFrames((layer,), device=size.device),),
            frame_heads=options,
        )
        seconds = best_of(size, lambda data=data: search(HEADS["attentive"], data), 1)
        models = len(data.points) * len(data.splits)
        figures = {f"heads_{precision}_s": seconds}
        cells = [f"attentive, {precision}, {models} models", f"{seconds:.2f}"]
        yield Row([*cells, f"{models / seconds:.1f}"], figures)


def tune(size: Size, folder: Path) -> Iterator[Row]:
    """An epoch of two upper blocks of WavLM from a stored layer, and from audio."""
    from extract_data import wavlm_of_size
    from heads_tune import audio_epoch, stored_epoch

    config = {} if size.device != "cpu" else _TINY_WAVLM
    model = wavlm_of_size(folder / "wavlm", **config)
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(0, 0.1, 4 * RATE_HZ).astype(np.float32) for _ in range(size.tuned)]
    first = config.get("num_hidden_layers", 12) - 2
    options = {"first": first, "batch": max(2, size.tuned // 8), "device": size.device}
    seconds: dict[str, float] = {}
    for precision in ("fp32", "bf16"):
        epoch = stored_epoch(model, waveforms, precision=precision, **options)
        seconds[f"stored layer, {precision}"] = best_of(size, epoch, 2)
    seconds["audio, plain loop, fp32"] = best_of(size, audio_epoch(model, waveforms, **options), 2)
    for name, value in seconds.items():
        key = f"tune_{name.replace(', ', '_').replace(' ', '_')}_s"
        yield Row([name, f"{value:.3f}", f"{size.tuned / value:.0f}"], {key: value})


def _training_data(
    size: Size,
    settings: Any,
    *,
    width: int = 0,
    utterances: pd.DataFrame | None = None,
    **options: Any,
) -> Any:
    """Return what a search takes: utterances of a store, or random functionals of EmoDB's size."""
    from tokser.experiments.classification import Classification
    from tokser.experiments.splits.protocols import make_splits
    from tokser.experiments.training_data import TrainingData

    rng = np.random.default_rng(0)
    if utterances is None:
        number = 535 if size.device != "cpu" else 60
        ids = pd.Index([f"utt{i:05d}" for i in range(number)], name="id")
        labels = [f"class-{n}" for n in rng.integers(0, 7, number)]
        speakers = [f"{i % 10:02d}" for i in range(number)]
        utterances = pd.DataFrame({"label": labels, "speaker": speakers, "session": ""}, index=ids)
    table = pd.DataFrame(
        rng.normal(size=(len(utterances), width)).astype(np.float32), index=utterances.index
    )
    splits = make_splits("speaker", utterances, seed=0)[: size.folds]
    target = utterances["label"]
    return TrainingData(
        Classification(), table, target, splits, settings, 0, device=size.device, **options
    )


def block_products(dim: int, num_layers: int, frames: int, ffn: int | None = None) -> float:
    """Multiplications and additions of transformer blocks over a sequence."""
    weights = 4 * dim * dim + 2 * dim * (ffn or 4 * dim)
    return num_layers * (2 * weights * frames + 4 * frames * frames * dim)


def wavlm_products(config: Mapping[str, Any], samples: int) -> float:
    """Multiplications and additions of a WavLM over a waveform, its convolutions included."""
    from transformers import WavLMConfig

    full = WavLMConfig(**config)
    total, channels, length = 0.0, 1, samples
    for width, kernel, stride in zip(
        full.conv_dim, full.conv_kernel, full.conv_stride, strict=True
    ):
        length = (length - kernel) // stride + 1
        total += 2 * channels * width * kernel * length
        channels = width
    per_group = full.hidden_size // full.num_conv_pos_embedding_groups
    total += 2 * full.hidden_size * per_group * full.num_conv_pos_embeddings * length
    return total + block_products(
        full.hidden_size, full.num_hidden_layers, length, full.intermediate_size
    )


def products_per_s(size: Size, dtype: torch.dtype) -> float:
    """Multiplications and additions a second of a large product."""
    left = torch.randn(size.product, size.product, device=size.device, dtype=dtype)
    return 2 * size.product**3 / best_of(size, lambda: left @ left, 5)


def best_of(size: Size, work: Callable[[], object], rounds: int) -> float:
    """Time work, the best of a few turns after one that warms up."""
    times = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        work()
        if size.device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return min(times[1:])


class Part(NamedTuple):
    """A part: what measures it, its table's header, and the seconds that it may take."""

    measure: Callable[[Size, Path], Iterator[Row]]
    header: list[str]
    budget_s: float


PARTS = {
    "extraction": Part(
        extraction,
        [
            *("bf16, windows of 30 s: hours of audio a second", "`tokser extract`"),
            *("encoder alone", "reading, one thread", "arithmetic alone"),
            *("encoder's share of it", "bound by"),
        ],
        170,
    ),
    "pretraining": Part(
        pretraining,
        ["Pretraining, batches of 64", "ms a step", "minutes, LibriSpeech-960", "of arithmetic"],
        110,
    ),
    "grid": Part(grid, ["Grid of classifiers", "s", "models a second"], 60),
    "heads": Part(heads, ["Heads over frames, a seed", "s", "models a second"], 70),
    "tune": Part(tune, ["Tuning two blocks of WavLM-base: an epoch", "s", "utterances a s"], 60),
}
