"""The baseline grid of Table 2, whole, against the ways of training one model a point.

18 points (batch 2^2..2^10 x two learning rates), 30 epochs, leave one speaker or session out, all
layers. Ours is timed as `search` runs, layer by layer, from tables to predictions; the others are
measured at every batch size, and scaled by counts of steps. `make bench-grid` writes
`docs/benchmarks.md`.
"""

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from grid_peers import HIDDEN, PEERS, STEPS, Cost, best_cost
from ratios import machine, markdown_table, missed, replace_section, versions, write_figures
from rich.console import Console
from rich.markdown import Markdown

from tokser.config import GridSettings
from tokser.experiments.classification import Classification
from tokser.experiments.grid import Point
from tokser.experiments.heads.fold_threads import num_blas_threads
from tokser.experiments.heads.mlp.fold import fold_of
from tokser.experiments.heads.mlp.per_model import workspace_bytes
from tokser.experiments.heads.registry import HEADS
from tokser.experiments.search import search
from tokser.experiments.splits.protocols import Split, make_splits
from tokser.experiments.training_data import TrainingData

TARGETS = {"vs_lightning": (20, np.inf), "vs_sklearn": (5, np.inf), "vs_loop": (3, np.inf)}
GRID = GridSettings()
PACKAGES = ("torch", "numba", "lightning", "scikit-learn", "numpy")

Figures = dict[str, float]


class Size(NamedTuple):
    """One size of corpus: its table, and how much of the whole ours is timed on."""

    name: str
    utterances: int
    features: int
    classes: int
    groups: int
    by: str
    layers: int
    timed_layers: int
    timed_folds: int


SIZES = (
    Size("emodb", 535, 1_024, 7, 10, "speaker", 7, 7, 10),
    Size("iemocap", 5_531, 1_536, 4, 5, "session", 7, 1, 2),
)


def corpus(size: Size) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Draw functionals that tell classes apart a little, and who spoke."""
    rng = np.random.default_rng(0)
    ids = pd.Index([f"utt{i:05d}" for i in range(size.utterances)], name="id")
    labels = rng.integers(0, size.classes, size.utterances)
    centres = 0.15 * rng.normal(size=(size.classes, size.features))
    tables = {
        f"layer-{layer}": pd.DataFrame(
            (centres[labels] + rng.normal(size=(len(ids), size.features))).astype(np.float32),
            index=ids,
        )
        for layer in range(size.timed_layers)
    }
    who = [f"{i % size.groups:02d}" for i in range(size.utterances)]
    utterances = pd.DataFrame(
        {"label": [f"class-{n}" for n in labels], "speaker": who, "session": ""}, index=ids
    )
    if size.by == "session":
        utterances["session"] = who
    return tables, utterances


def measure_size(size: Size) -> tuple[Figures, str]:
    """Time ours and the peers; returns figures, and a part of the page."""
    tables, utterances = corpus(size)
    labels, splits = utterances["label"], make_splits("speaker", utterances, seed=0)
    timed = splits[: size.timed_folds]
    first = next(iter(tables.values()))
    fold = fold_of(TrainingData(Classification(), first, labels, splits, GRID, seed=0), 0)
    costs = {
        name: {b: best_cost(peer, fold, b, size.classes, rounds=1) for b in GRID.batch_sizes}
        for name, peer in PEERS.items()
    }
    seconds = ours(tables, labels, timed)
    again = {
        name: {b: best_cost(peer, fold, b, size.classes, rounds=1) for b in GRID.batch_sizes}
        for name, peer in PEERS.items()
    }
    share = len(splits) * size.layers / (len(timed) * size.timed_layers)
    whole = {"tokser": seconds * share}
    for name in PEERS:
        best = {b: _better(costs[name][b], again[name][b]) for b in GRID.batch_sizes}
        costs[name] = best
        whole[name] = size.layers * sum(_seconds(best, split) for split in splits)
    figures = {f"vs_{name}_{size.name}": whole[name] / whole["tokser"] for name in PEERS}
    figures[f"grid_s_{size.name}"] = whole["tokser"]
    return figures, _page(size, splits, whole, costs, share)


def ours(
    tables: Mapping[str, pd.DataFrame],
    labels: "pd.Series[str]",
    splits: Sequence[Split],
    grid: GridSettings = GRID,
) -> float:
    """Return the seconds of a search."""
    begin = time.perf_counter()
    for table in tables.values():
        data = TrainingData(Classification(), table, labels, splits, grid, seed=0)
        search(HEADS["mlp"], data)
    return time.perf_counter() - begin


def _seconds(costs: Mapping[int, Cost], split: Split) -> float:
    """Scale a peer's costs to all points of one fold."""
    total = 0.0
    for batch_size, cost in costs.items():
        steps = -(-len(split.train) // batch_size)
        total += cost.start + GRID.epochs * (steps * cost.step + cost.epoch)
    return total * len(GRID.learning_rates)


def _better(one: Cost, other: Cost) -> Cost:
    return Cost(*map(min, zip(one, other, strict=True)))


def _page(
    size: Size,
    splits: Sequence[Split],
    whole: Mapping[str, float],
    costs: Mapping[str, Mapping[int, Cost]],
    share: float,
) -> str:
    models = size.layers * HEADS["mlp"].num_models(len(splits), GRID)
    measured = "whole" if share == 1 else f"{size.timed_layers} layer, {size.timed_folds} folds"
    rows = [
        [name, f"{value:,.0f}", f"{1e3 * value / models:,.0f}", f"{value / whole['tokser']:.1f}"]
        for name, value in whole.items()
    ]
    title = f"{size.utterances:,} x {size.features:,}, {size.layers} layers, {len(splits)} folds"
    header = [f"{title}; tokser measured: {measured}", "s", "ms a model", "time, tokser = 1"]
    small = [
        [name, *(f"{1e6 * own[b].step:,.0f}" for b in GRID.batch_sizes)]
        for name, own in costs.items()
    ]
    steps = ["µs a step, by batch size", *map(str, GRID.batch_sizes)]
    return markdown_table(header, rows) + "\n\n" + markdown_table(steps, small)


def measure_growth() -> tuple[Figures, str]:
    """Time 9, 18 and 36 points, and watch memory over one layer and over seven."""
    size = SIZES[0]._replace(timed_layers=7)
    tables, utterances = corpus(size)
    splits = make_splits("speaker", utterances, seed=0)[:2]
    one = {"layer-0": tables["layer-0"]}
    rates = {9: (1e-3,), 18: (1e-3, 5e-3), 36: (1e-3, 2e-3, 5e-3, 1e-2)}
    seconds = {
        count: ours(one, utterances["label"], splits, GRID.model_copy(update={"learning_rates": r}))
        for count, r in rates.items()
    }
    short = GridSettings(epochs=4)
    ours(one, utterances["label"], splits, short)
    before = _peak_mb()
    ours(tables, utterances["label"], splits, short)
    growth = _peak_mb() - before
    held = workspace_bytes(size.features, size.classes, Point(1024, 1e-3, HIDDEN), 376) / 1e6
    figures = {
        "points_36_vs_18": seconds[36] / seconds[18],
        "points_18_vs_9": seconds[18] / seconds[9],
        "memory_a_thread_mb": held,
        "memory_growth_mb": growth,
    }
    rows = [[f"{count} points", f"{value:.1f}"] for count, value in seconds.items()]
    table = markdown_table(["Cost by points, one layer, two folds", "s"], rows)
    told = (
        f"A thread holds {held:.1f} MB (weights, moments, best epoch, activations of the largest "
        f"batch) beside its fold; seven layers peak {growth:.1f} MB above "
        "one: their tables, and the best model of each fold."
    )
    return figures, f"{table}\n\n{told}"


def measure_compiling() -> tuple[Figures, str]:
    """Time the first step in a new process, without and with the compiler's cache."""
    code = (
        "import time, numpy as np; begin = time.perf_counter()\n"
        "from tokser.experiments.grid import Point\n"
        "from tokser.experiments.heads.mlp.fold import Fold\n"
        "from tokser.experiments.heads.mlp.per_model import prepare, train_per_model\n"
        "from tokser.config import GridSettings\n"
        "x, y = np.zeros((8, 16), np.float32), np.arange(8) % 2\n"
        "g = GridSettings(epochs=1)\n"
        "p = prepare(Fold(0, x, y, x, y, 0 * y), epochs=1, seed=0)\n"
        "begin = time.perf_counter()\n"
        "train_per_model(p, Point(4, 1e-3, (8,)), num_classes=2, settings=g, seed=0)\n"
        "print(time.perf_counter() - begin)"
    )
    with tempfile.TemporaryDirectory() as folder:
        turns = [
            float(
                subprocess.run(
                    [sys.executable, "-c", code],
                    env=os.environ | {"NUMBA_CACHE_DIR": folder},
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for _ in range(2)
        ]
    told = (
        f"Not in these times: compiling, once a machine, {turns[0]:.1f} s, and loading what was "
        f"compiled, once a process, {turns[1]:.1f} s. Grids of a few seconds are not compiled."
    )
    return {"compile_s": turns[0], "load_s": turns[1]}, told


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure() -> tuple[Figures, str]:
    """Measure everything; the ratios that must be reached are those of the worse size."""
    figures, parts = {}, []
    compiled, told = measure_compiling()
    size = SIZES[0]._replace(timed_layers=1)
    tables, utterances = corpus(size)
    splits = make_splits("speaker", utterances, seed=0)[:1]
    ours(tables, utterances["label"], splits)  # loads what was compiled
    for own, text in (measure_growth(), *map(measure_size, SIZES)):
        figures |= own
        parts.append(text)
    for name in TARGETS:
        figures[name] = min(figures[f"{name}_{size.name}"] for size in SIZES)
    limit, limits = measure_limit(SIZES[0], figures[f"grid_s_{SIZES[0].name}"])
    figures |= limit
    parts = [_preamble(), *parts[1:], parts[0], limits, told]
    return figures | compiled, "\n\n".join(parts)


def measure_limit(size: Size, seconds: float) -> tuple[Figures, str]:
    """Compute what the processor needs at least: the products, and Adam's way through the cache.

    Args:
        size: The corpus, whose grid took
        seconds: on all threads.
    """
    _, utterances = corpus(size._replace(features=1, timed_layers=1))
    widths = (size.features, *HIDDEN, size.classes)
    weights = [wide * narrow for wide, narrow in itertools.pairwise(widths)]
    num_steps = num_flop = 0
    for split in make_splits("speaker", utterances, seed=0):
        for batch_size in GRID.batch_sizes:
            num_steps += -(-len(split.train) // batch_size)
        rows = len(split.train) * len(GRID.batch_sizes)
        # Forward, gradients of all weights, and errors of all inputs but the first layer's.
        num_flop += rows * 2 * (3 * sum(weights) - weights[0])
        num_flop += len(split.dev) * len(GRID.batch_sizes) * 2 * sum(weights)
    times = GRID.epochs * len(GRID.learning_rates) * size.layers
    threads = num_blas_threads()
    num_bytes = 24 * sum(weights) * num_steps * times  # weight and two moments, read and written
    flop_s, byte_s = _product_rate(), threads * _cache_rate(sum(weights))
    arithmetic, traffic = num_flop * times / flop_s, num_bytes / byte_s
    found = {
        f"limit_arithmetic_s_{size.name}": arithmetic,
        f"limit_traffic_s_{size.name}": traffic,
        f"of_limit_{size.name}": (arithmetic + traffic) / seconds,
    }
    rows_of_page = [
        [
            "products, at the speed of a large one",
            f"{arithmetic:.1f}",
            f"{flop_s / 1e9:.0f} GFLOP/s",
        ],
        ["weights and moments through the cache", f"{traffic:.1f}", f"{byte_s / 1e9:.0f} GB/s"],
        ["both, one after the other", f"{arithmetic + traffic:.1f}", ""],
        ["tokser", f"{seconds:.1f}", f"{seconds / (arithmetic + traffic):.2f} x the limit"],
    ]
    told = (
        "Both rates are of this run, on all threads: a product of 2,048 x 2,048 float32, and an "
        "array as large as weights and moments, added to in place. What is left is LayerNorm, the "
        "roots and divisions of Adam, products of few rows, and the search around training."
    )
    header = [f"The least time of {size.name}'s grid", "s", "rate"]
    return found, f"{markdown_table(header, rows_of_page)}\n\n{told}"


def _product_rate() -> float:
    """Return floating-point operations a second of a large product, on all threads."""
    large = np.ones((2_048, 2_048), dtype=np.float32)
    out = np.empty_like(large)
    return 2 * len(large) ** 3 / _fastest(lambda: np.matmul(large, large, out=out), 8)


def _cache_rate(num_weights: int) -> float:
    """Return bytes a second that a thread reads and writes of a model's weights and moments."""
    state = np.ones(3 * num_weights, dtype=np.float32)
    return 2 * state.nbytes / _fastest(lambda: np.add(state, 1.0, out=state), 200)


def _fastest(call: Callable[[], object], rounds: int) -> float:
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        found.append(time.perf_counter() - begin)
    return min(found)


def measure_one(name: str) -> tuple[Figures, str]:
    """Measure one size alone, with its limit: a few minutes instead of many."""
    (size,) = (one for one in SIZES if one.name == name)
    tables, utterances = corpus(size._replace(timed_layers=1))
    splits = make_splits("speaker", utterances, seed=0)[:1]
    ours(tables, utterances["label"], splits)  # loads what was compiled
    figures, page = measure_size(size)
    limit, text = measure_limit(size, figures[f"grid_s_{name}"])
    return figures | limit, "\n\n".join([_preamble(), page, text])


def _preamble() -> str:
    return (
        "Table 2's baseline grid: 18 points (batch 4 to 1,024, two learning rates), 30 epochs, "
        "widths 128, 64, 32. tokser: from tables to predictions of the selected points. lightning: "
        "a `Trainer` with a `DataLoader` a point, Adam as one writes it; tuned, Adam is fused and "
        "nothing is logged. sklearn: `MLPClassifier` (no LayerNorm). loop: "
        f"bare PyTorch with fused Adam. They are measured on {STEPS} steps at every batch size, "
        "the faster of one and all threads and of two rounds, and scaled by counts of steps.\n\n"
        f"Measured on {machine()}; {versions(('tokser', *PACKAGES))}."
    )


def run(only: str | None = None) -> tuple[Figures, str]:
    """Measure, print, and write `build/bench/grid.json`, or `grid-NAME.json` of one size."""
    begin = time.perf_counter()
    figures, text = measure_one(only) if only else measure()
    write_figures(f"grid-{only}" if only else "grid", figures)
    Console().print(Markdown(text))
    Console().print(figures, f"{time.perf_counter() - begin:.0f} s in all")
    return figures, text


def test_the_grid_against_its_peers():
    figures, _ = run()
    assert missed(figures, TARGETS) == []


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("page", type=Path)
    parser.add_argument("--only", choices=[size.name for size in SIZES])
    given = parser.parse_args()
    found, section = run(given.only)
    title = f"The classifier grid of {given.only} alone" if given.only else "The classifier grid"
    replace_section(given.page, title, section)
    sys.exit("\n".join(missed(found, {} if given.only else TARGETS)) or None)
