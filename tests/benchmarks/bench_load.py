"""How much longer work takes beside other work that keeps every core busy.

As many busy processes as there are cores leave tokser half of each: twice the quiet time is fair.
Each job is timed quiet and loaded in turns, in one run: a pretraining step, an extraction of real
EmoDB recordings by real Whisper-base (TOKSER_TEST_DATA), a grid, a grid of heads over frames.
`make bench-load` writes `build/bench/load.json` and a section of `docs/benchmarks.md`; with SMALL=1
each is timed once.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import bench_grid
import bench_heads
import torch
from bench_extract import data
from bench_pretrain import Bench
from extract_data import recordings
from heads_data import write_heads_store
from pretrain_data import SPEECH_DIM, TEXT_DIM, write_pretraining_store
from ratios import machine, markdown_table, missed, replace_section, versions, write_figures
from ready import Ready
from rich.console import Console
from rich.markdown import Markdown

from tokser.config import GridSettings
from tokser.experiments.splits.protocols import make_splits
from tokser.pretrain.module import AlignerModule
from tokser.pretrain.paper import PaperAligner
from tokser.store import open_store
from tokser.thread_team import thread_team
from tokser.threads import num_threads

ROUNDS = 1 if bench_heads.SMALL else 3
STEPS, RECORDINGS, FOLDS = 8, 12, 4
MOST = 2.5
TARGETS = {f"load_{name}": (0, MOST) for name in ("pretrain", "extract", "grid", "heads")}
NAMES = {
    "pretrain": "pretraining step, 64 utterances, with the text-only baseline",
    "extract": f"extraction, Whisper-base, {RECORDINGS} recordings of EmoDB, windows of 30 s",
    "grid": f"grid of MLPs, 18 points, {FOLDS} folds, one layer",
    "heads": f"heads over frames, attentive, 3 learning rates, {FOLDS} folds",
}
SETTLE_S = 0.3
"""Busy processes have started after it."""

Figures = dict[str, float]
Job = Callable[[], object]


def measure() -> tuple[Figures, str]:
    """Time every job quiet and loaded."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        jobs = {
            "pretrain": _pretraining(folder / "pretrain.zarr"),
            "extract": _extraction(folder),
            "grid": _grid(),
            "heads": _heads(folder / "heads.zarr"),
        }
        for job in jobs.values():
            job()  # loads, compiles
        seconds: dict[tuple[str, bool], list[float]] = {}
        for _ in range(ROUNDS):
            for name, job in jobs.items():
                for is_loaded in (False, True):
                    with busy_cores() if is_loaded else nullcontext():
                        begin = time.perf_counter()
                        job()
                        spent = time.perf_counter() - begin
                    seconds.setdefault((name, is_loaded), []).append(spent)
    medians = {key: statistics.median(turns) for key, turns in seconds.items()}
    for is_loaded in (False, True):
        medians["pretrain", is_loaded] /= STEPS
    figures: Figures = {}
    for name in NAMES:
        figures[f"load_{name}"] = medians[name, True] / medians[name, False]
        figures[f"quiet_{name}_s"] = medians[name, False]
    return figures, _page(figures, medians)


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep every core busy with a process of its own."""
    command = [sys.executable, "-S", "-c", "while True: pass"]
    started = [subprocess.Popen(command) for _ in range(num_threads())]
    try:
        time.sleep(SETTLE_S)
        yield
    finally:
        for one in started:
            one.kill()
        for one in started:
            one.wait()


def _pretraining(path: Path) -> Job:
    write_pretraining_store(path, 300)
    bench = Bench.open(path)
    batch = bench.pairs.gather(bench.train[:64])
    torch.manual_seed(0)
    module = AlignerModule(PaperAligner(TEXT_DIM, SPEECH_DIM), bench.settings(text_only=True))
    module.log = lambda *arguments, **options: None
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-4)

    def steps() -> None:
        with thread_team(torch.device("cpu")):
            for _ in range(STEPS):
                module.training_step(batch, 0).backward()
                optimizer.step()
                optimizer.zero_grad()

    return steps


def _extraction(folder: Path) -> Job:
    shared = data()
    root = recordings(shared / "data" / "emodb" / "wav", folder / "emodb", RECORDINGS)
    ready = Ready(root, shared / "models" / "whisper-base")

    def extract() -> None:
        shutil.rmtree(folder / "store.zarr", ignore_errors=True)
        ready.fresh(folder / "store.zarr")

    return extract


def _grid() -> Job:
    size = bench_grid.SIZES[0]._replace(timed_layers=1)
    tables, utterances = bench_grid.corpus(size)
    splits = make_splits("speaker", utterances, seed=0)[:FOLDS]
    return partial(bench_grid.ours, tables, utterances["label"], splits, GridSettings())


def _heads(path: Path) -> Job:
    write_heads_store(path, num_layers=4)
    store = open_store(path)
    splits = make_splits("speaker", store.utterances, seed=0)[:FOLDS]
    bench_heads.SEEDS = (0,)
    bench_heads.GRID = bench_heads.GRID.model_copy(update={"epochs": 10})
    return partial(bench_heads.ours, store, "attentive", (bench_heads.LAYER,), splits)


def _page(figures: Figures, seconds: dict[tuple[str, bool], float]) -> str:
    rows = [
        [
            text,
            f"{seconds[name, False]:.2f}",
            f"{seconds[name, True]:.2f}",
            f"{figures[f'load_{name}']:.2f}",
        ]
        for name, text in NAMES.items()
    ]
    header = ["job", "quiet, s", "loaded, s", "loaded / quiet"]
    return (
        f"Beside {num_threads()} processes that keep every core busy, tokser's fair share is half "
        f"of each, twice the quiet time. Medians of {ROUNDS} turns, quiet and loaded in turns.\n\n"
        f"Measured on {machine()}; {versions(('tokser', 'torch', 'numba', 'numpy'))}.\n\n"
        f"{markdown_table(header, rows)}\n\n"
        "Every product runs on one thread; utterances, batches and models are shared out to "
        "whoever is free. Products that are spread over threads wait for the one that has lost its "
        "core."
    )


def run() -> tuple[Figures, str]:
    """Measure, print, and write `build/bench/load.json`."""
    begin = time.perf_counter()
    figures, text = measure()
    write_figures("load", figures)
    Console().print(Markdown(text))
    Console().print(figures, f"{time.perf_counter() - begin:.0f} s in all")
    return figures, text


def test_work_beside_other_work_takes_its_share():
    figures, _ = run()
    assert missed(figures, TARGETS) == []


if __name__ == "__main__":
    found, section = run()
    replace_section(Path(sys.argv[1]), "Beside other work", section)
    sys.exit("\n".join(missed(found, TARGETS)) or None)
