"""Heads over frames against the usual loops, and against the arithmetic that they need.

EmoDB's size (535 utterances, 10 folds), 3 learning rates, 3 seeds, 30 epochs, batches of 32. tokser
is timed as `search` runs, from the mapped store to the predictions; the others are measured in some
steps, and scaled by counts of steps. `make bench-heads` writes `docs/benchmarks.md`; with SMALL=1 a
share of folds, seeds and epochs is timed, with NUM_SEEDS=1 one seed.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from heads_data import CLASSES, DIM, GROUP, write_heads_store
from heads_peers import Attentive, Cost, Files, InMemory, Superb, best_cost
from heads_tune import tune_vs_audio
from ratios import machine, markdown_table, missed, replace_section, versions, write_figures
from rich.console import Console
from rich.markdown import Markdown

from tokser.config import FrameHeadSettings, GridSettings
from tokser.device import keep_to_one_thread
from tokser.experiments.classification import Classification
from tokser.experiments.frames import TermFrames
from tokser.experiments.heads.attentive import HIDDEN
from tokser.experiments.heads.frames.products import product
from tokser.experiments.heads.registry import HEADS
from tokser.experiments.pooled_feature import PooledFeature
from tokser.experiments.search import search_seeds
from tokser.experiments.splits.protocols import Split, make_splits
from tokser.experiments.training_data import TrainingData
from tokser.store import Store, open_store

TARGETS = {
    "heads_vs_files": (10, np.inf),
    "heads_vs_ram": (5, np.inf),
    "heads_vs_limit": (0.5, np.inf),
    "superb_vs_frames": (50, np.inf),
    "memory_growth_mb": (-np.inf, 50),
    "tune_vs_audio": (3, np.inf),
}
SMALL = os.environ.get("SMALL", "") not in ("", "0")
BATCH, STEPS = 32, 4 if SMALL else 12
SEEDS = tuple(range(1 if SMALL else int(os.environ.get("NUM_SEEDS", "3"))))
FOLDS = 2 if SMALL else 10
GRID = GridSettings(
    batch_sizes=(BATCH,), learning_rates=(1e-3, 3e-4, 1e-4), epochs=5 if SMALL else 30
)
LAYER = f"{GROUP}/layer-3"

Figures = dict[str, float]


def measure() -> tuple[Figures, str]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "emodb.zarr"
        write_heads_store(place)
        store = open_store(place)
        splits = make_splits("speaker", store.utterances, seed=0)[:FOLDS]
        ram = _in_memory(store, splits[0], (LAYER,), Path(folder) / "one")
        figures, rows = _attentive(store, splits, ram)
        own, row = _superb(store, splits, Path(folder) / "all")
        figures |= own
        figures["memory_growth_mb"] = _memory_growth(Path(folder))
    figures |= tune_vs_audio()
    return figures, _page(figures, [*rows, row])


def ours(
    store: Store,
    head: str,
    layers: tuple[str, ...],
    splits: list[Split],
    options: FrameHeadSettings | None = None,
) -> float:
    """Return the seconds of a search with every seed."""
    are_means = HEADS[head].reads == "means"
    sources = tuple(PooledFeature(store, n) if are_means else store[n] for n in layers)
    begin = time.perf_counter()
    frames = (TermFrames(sources, are_means=are_means),)
    utterances = store.utterances
    data = TrainingData(
        Classification(),
        pd.DataFrame(index=utterances.index),
        utterances["label"],
        splits,
        GRID,
        seed=0,
        frames=frames,
        frame_heads=options or FrameHeadSettings(),
    )
    search_seeds(HEADS[head], data, SEEDS, refit=False)
    return time.perf_counter() - begin


def _attentive(
    store: Store, splits: list[Split], ram: tuple[Files, InMemory]
) -> tuple[Figures, list[list[str]]]:
    bf16 = FrameHeadSettings(training_precision="bf16")
    seconds = ours(store, "attentive", (LAYER,), splits)
    in_bf16 = ours(store, "attentive", (LAYER,), splits, bf16)
    files, memory = ram
    costs = {
        "plain loop over .npy files": best_cost(_attentive_model, files, **_OPTIONS),
        "plain loop, all in RAM": best_cost(_attentive_model, memory, **_OPTIONS),
    }
    seconds = min(seconds, ours(store, "attentive", (LAYER,), splits))
    in_bf16 = min(in_bf16, ours(store, "attentive", (LAYER,), splits, bf16))
    limit = _limit(store, splits)
    whole = {name: _whole(cost, splits) for name, cost in costs.items()}
    from_files, from_ram = whole.values()
    figures = {
        "heads_vs_files": from_files / in_bf16,
        "heads_vs_ram": from_ram / in_bf16,
        "heads_vs_limit": limit / seconds,
        "heads_fp32_vs_files": from_files / seconds,
        "heads_fp32_vs_ram": from_ram / seconds,
        "heads_s": seconds,
        "heads_bf16_s": in_bf16,
    }
    faster = "attentive, tokser, --training-precision bf16"
    rows = [
        ["attentive, tokser", f"{seconds:.1f}", "1.0"],
        [faster, f"{in_bf16:.1f}", f"{in_bf16 / seconds:.2f}"],
    ]
    rows += [[f"attentive, {n}", f"{s:.1f}", f"{s / seconds:.1f}"] for n, s in whole.items()]
    rows.append(
        ["attentive, its two large products alone", f"{limit:.1f}", f"{limit / seconds:.2f}"]
    )
    return figures, rows


def _superb(store: Store, splits: list[Split], folder: Path) -> tuple[Figures, list[str]]:
    layers = tuple(f"{GROUP}/layer-{number}" for number in range(7))
    ours(store, "superb", layers, splits[:1])
    seconds = ours(store, "superb", layers, splits)
    _, memory = _in_memory(store, splits[0], layers, folder)
    cost = best_cost(lambda: Superb(len(layers), DIM, CLASSES), memory, **_OPTIONS)
    whole = _whole(cost, splits)
    figures = {"superb_vs_frames": whole / seconds, "superb_s": seconds}
    return figures, [
        f"superb, seven layers: tokser {seconds:.1f} s; s3prl's form, frames in RAM",
        f"{whole:.1f}",
        f"{whole / seconds:.1f}",
    ]


_OPTIONS = {"batch_size": BATCH, "steps": STEPS}


def _attentive_model() -> Attentive:
    return Attentive(DIM, CLASSES)


def _whole(cost: Cost, splits: list[Split]) -> float:
    """Scale a peer's costs to all models."""
    total = sum(
        -(-len(split.train) // BATCH) * cost.step + len(split.dev) * cost.evaluated
        for split in splits
    )
    return total * GRID.epochs * len(GRID.learning_rates) * len(SEEDS)


def _in_memory(
    store: Store, split: Split, layers: tuple[str, ...], folder: Path
) -> tuple[Files, InMemory]:
    """Write the frames of a training part to files, an utterance each; return both datasets."""
    folder.mkdir()
    scaling = TermFrames(tuple(store[name] for name in layers)).scaling(split.train)
    ids = split.train[:128] if SMALL or len(layers) > 1 else split.train
    places = []
    for name in ids:
        rows = [store[layer][name] for layer in layers]
        places.append(folder / f"{name}.npy")
        np.save(places[-1], rows[0] if len(rows) == 1 else np.stack(rows, axis=1))
    numbers = {label: n for n, label in enumerate(sorted(store.utterances["label"].unique()))}
    labels = [numbers[label] for label in store.utterances.loc[list(ids), "label"]]
    scales = [torch.from_numpy(a).float() for a in (scaling.mean, scaling.scale)]
    scales = [own[0] if len(layers) == 1 else own for own in scales]
    files = Files(places, labels, (scales[0], scales[1]))
    return files, InMemory(files)


def _limit(store: Store, splits: list[Split]) -> float:
    """Time the products of frames and first weights, and of their gradients, on all cores."""
    lengths = store[LAYER].lengths
    rows = int(lengths.mean() * BATCH)
    wide = HIDDEN * len(GRID.learning_rates)
    x, w, g = torch.randn(rows, DIM), torch.randn(wide, DIM), torch.randn(wide, rows)

    def work(_: int) -> None:
        keep_to_one_thread()
        for _ in range(STEPS):
            product(w, x.T)
            product(g, x)

    cores = torch.get_num_threads()
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(work, range(cores)))
        turns = []
        for _ in range(3):
            begin = time.perf_counter()
            list(pool.map(work, range(cores)))
            turns.append((time.perf_counter() - begin) / (cores * STEPS * rows))
    a_frame = min(turns)  # forward and backward, all learning rates, all cores at work
    num = sum(
        lengths.loc[list(split.train)].sum() + lengths.loc[list(split.dev)].sum() / 2
        for split in splits
    )
    return float(a_frame * num * GRID.epochs * len(SEEDS))


_PEAK = """
import sys, threading, time, pandas as pd
sys.path.insert(0, sys.argv[2])
import bench_heads as bench
from tokser.store import open_store
from tokser.experiments.splits.protocols import make_splits
def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(l for l in lines if l.startswith("RssAnon")).split()[1]) / 1e3
peak = [0.0]
def watch():
    while True:
        peak[0] = max(peak[0], anonymous()); time.sleep(0.005)
store = open_store(sys.argv[1])
splits = make_splits("speaker", store.utterances, seed=0)[:1]
bench.GRID = bench.GRID.model_copy(update={"epochs": 1, "learning_rates": (1e-3,)})
bench.SEEDS = (0,)
threading.Thread(target=watch, daemon=True).start()
bench.ours(store, "attentive", (bench.LAYER,), splits)
print(peak[0])
"""


def _memory_growth(folder: Path) -> float:
    """Return how much more memory, in MB, a corpus needs that is four times as large."""
    peaks = []
    for number in (535, 4 * 535):
        place = folder / f"{number}.zarr"
        write_heads_store(place, number, num_layers=4)
        command = [sys.executable, "-c", _PEAK, str(place), str(Path(__file__).parent)]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(float(found.stdout.split()[-1]))
    return peaks[1] - peaks[0]


def _page(figures: Figures, rows: list[list[str]]) -> str:
    header = ["every fold, seed and learning rate", "s", "time, attentive by tokser = 1"]
    seeds = "1 seed" if len(SEEDS) == 1 else f"{len(SEEDS)} seeds"
    share = f"{FOLDS} folds, {seeds}, {len(GRID.learning_rates)} learning rates"
    superb = rows.pop()
    told = (
        f"{superb[0]}: {superb[1]} s, {superb[2]} times as long. A corpus four times as large "
        f"takes {figures['memory_growth_mb']:.0f} MB more memory (two vectors for each utterance). "
        "`tokser tune` on two upper blocks of a WavLM-base (random weights) trains "
        f"{figures['tune_vs_audio']:.1f} times as fast as the same training from audio with the "
        "blocks below frozen."
    )
    return (
        f"535 utterances of 60 to 100 frames, 512 wide, one layer; {share}, {GRID.epochs} epochs, "
        f"batches of {BATCH}, no refit. tokser: from the mapped store to predictions. Plain loop: "
        "one model after the other, a `DataLoader`, padded batches with a mask, fused Adam; "
        f"measured on {STEPS} steps with one and with all threads, and scaled by counts of steps. "
        "The two large products are frames times first weights and its gradient in fp32 by oneDNN, "
        "which no way of training in fp32 can leave out.\n\n"
        f"{markdown_table(header, rows)}\n\n{told}\n\n"
        f"Measured on {machine()}; {versions(('tokser', 'torch', 'numpy'))}."
    )


def run() -> tuple[Figures, str]:
    """Measure, print, and write `build/bench/heads.json`."""
    figures, text = measure()
    write_figures("heads", figures)
    Console().print(Markdown(text))
    Console().print(figures)
    return figures, text


def test_heads_against_the_usual_loops():
    figures, _ = run()
    assert missed(figures, TARGETS) == []


if __name__ == "__main__":
    found, section = run()
    if not SMALL:
        replace_section(Path(sys.argv[1]), "Heads over frames", section)
    sys.exit("\n".join(missed(found, TARGETS)) or None)
