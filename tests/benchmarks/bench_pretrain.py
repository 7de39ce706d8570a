"""Pretraining against its peers: the step, reading from a store, files and workers, memory.

Whisper-base's width 512 to BERT's 768, LibriSpeech's lengths, batch 64, all in one run.
`make bench-pretrain` writes `build/bench/pretrain.json` and a section of `docs/benchmarks.md`.
"""

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pretrain_peers as peers
import torch
from lightning.pytorch.callbacks import Callback
from pretrain_data import SPEECH, SPEECH_DIM, TEXT, TEXT_DIM, write_pretraining_store
from ratios import (
    BUILD,
    machine,
    markdown_table,
    measured_on_disk,
    medians,
    missed,
    replace_section,
    versions,
)
from rich.console import Console

from tokser.config import PretrainSettings
from tokser.memory import release_freed_memory
from tokser.pretrain import training
from tokser.pretrain.batches import Batch, Pairs
from tokser.pretrain.contrastive import plain_contrastive_loss, token_contrastive_loss
from tokser.pretrain.data import Batches
from tokser.pretrain.history import History
from tokser.pretrain.module import AlignerModule
from tokser.pretrain.paper import PaperAligner
from tokser.store import open_store

BATCH, UTTERANCES, NUM_DEV, ROUNDS = 64, 1_664, 64, 3
LIBRISPEECH_960 = 281_241
"""Utterances of the three training parts."""
DISK_GB = 5
TARGETS = {
    "step_vs_plain_fp32": (3, np.inf),
    "step_vs_plain_bf16": (3, np.inf),
    "step_vs_sdpa_fp32": (3, np.inf),
    "step_vs_sdpa_bf16": (3, np.inf),
    "store_vs_memory": (0.9, np.inf),
    "vs_usual": (4, np.inf),
    "memory_growth_mb": (-np.inf, 32),
}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Bench:
    """A store, its utterances, and a batch that takes as much as the mean one."""

    path: Path
    pairs: Pairs
    train: list[str]
    dev: list[str]

    @classmethod
    def open(cls, path: Path) -> "Bench":
        store = open_store(path)
        word = f"{TEXT.rpartition('/')[0]}/word"
        pairs = Pairs((store[SPEECH],), store[word], store[TEXT], True)
        ids = pairs.ids()
        return cls(path, pairs, ids[NUM_DEV:], ids[:NUM_DEV])

    def settings(self, **changes: object) -> PretrainSettings:
        values = {"store": str(self.path), "out": Path("o"), "epochs": 1, "text_only": False}
        return PretrainSettings(**(values | {"batch_size": BATCH, "device": "cpu"} | changes))

    def batches(self, **changes: object) -> Batches:
        mismatched = dict(zip(self.dev, np.roll(self.dev, 1).tolist(), strict=True))
        return Batches(self.pairs, self.train, mismatched, self.settings(**changes))

    def mean_batch(self, **changes: object) -> list[str]:
        """Return the utterances of the batch whose step multiplies and adds as much as the mean."""
        plan = self.batches(**changes).plan(0)
        work = np.array(
            [
                step_gflop(
                    self.pairs.num_frames[ids].to_numpy(), self.pairs.num_tokens[ids].to_numpy()
                )
                for ids in plan
            ]
        )
        return plan[int(np.abs(work - work.mean()).argmin())]


def step_ways(batch: Batch, precision: str) -> dict[str, Callable[[], None]]:
    """Return whole steps: forward, loss, backward, Adam; the loss is tokser's for all of them."""
    dtype = PRECISIONS[precision]
    other = peers.padded(batch, dtype)

    def way(student: Callable[[PaperAligner], torch.Tensor]) -> Callable[[], None]:
        torch.manual_seed(0)
        aligner = PaperAligner(TEXT_DIM, SPEECH_DIM)
        optimizer = torch.optim.Adam(aligner.parameters(), lr=1e-4)

        def step() -> None:
            with torch.autocast("cpu", dtype, enabled=precision == "bf16"):
                loss = token_contrastive_loss(student(aligner), batch.teacher, 0.07)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        return step

    def weights(aligner: PaperAligner) -> list[torch.nn.Parameter]:
        return [aligner.w_q, aligner.w_k, aligner.w_v]

    return {
        "tokser": way(lambda aligner: aligner(batch.inputs)),
        "K and V projected": way(lambda aligner: peers.plain_student(weights(aligner), other)),
        "scaled_dot_product_attention": way(
            lambda aligner: peers.sdpa_student(weights(aligner), other)
        ),
    }


class _Clock(Callback):
    """Times an epoch's steps, the wait for their batches included."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_epoch_start(self, *_: object) -> None:
        self.ends.append(time.perf_counter())

    def on_train_batch_end(self, *_: object) -> None:
        self.ends.append(time.perf_counter())

    @property
    def seconds_per_step(self) -> float:
        skipped = 4  # they wait for the first batches
        return (self.ends[-1] - self.ends[skipped]) / (len(self.ends) - 1 - skipped)


class _Scale(Callback):
    """Weighs what is in use after each step: what the C library keeps of freed memory is not."""

    def __init__(self) -> None:
        self.memory: list[float] = []

    def on_train_batch_end(self, *_: object) -> None:
        release_freed_memory()
        self.memory.append(_anonymous_mb())


def seconds_per_step(bench: Bench, data: Batches, settings: PretrainSettings) -> float:
    """Return how long a step of an epoch takes."""
    clock = _Clock()
    train_once(bench, data, settings, clock)
    return clock.seconds_per_step


def train_once(bench: Bench, data: Batches, settings: PretrainSettings, watch: Callback) -> None:
    """Train an epoch as `tokser pretrain` does, while somebody watches."""
    torch.manual_seed(0)
    module = AlignerModule(PaperAligner(TEXT_DIM, SPEECH_DIM), settings)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        history = History(Path(folder), settings.epochs)
        made = training._trainer
        training._trainer = partial(_with, made, watch)
        try:
            device = torch.device(settings.device)
            training.train(module, data, history, settings, device=device)
        finally:
            training._trainer = made


def _with(made: Callable, watch: Callback, *args: object) -> object:
    trainer = made(*args)
    trainer.callbacks.append(watch)
    return trainer


class Held(Batches):
    """The same steps, on one batch that lies in memory."""

    held: Batch

    def train_dataloader(self) -> "_Again":
        return _Again(self.held, self.num_batches)


class _Again(list):
    def __init__(self, batch: Batch, times: int) -> None:
        super().__init__([batch] * times)


def store_and_memory(bench: Bench, precision: str, **changes: object) -> tuple[float, float]:
    """Return seconds of a step from the store, and of one on a batch in memory: medians."""
    settings = bench.settings(precision=precision, **changes)
    mismatched = dict(zip(bench.dev, bench.dev[::-1], strict=True))
    held = Held(bench.pairs, bench.train, mismatched, settings)
    held.held = bench.pairs.gather(bench.mean_batch())
    seconds: dict[str, list[float]] = {"store": [], "memory": []}
    for turn in range(1 + ROUNDS):
        for name, data in (("store", bench.batches(precision=precision)), ("memory", held)):
            found = seconds_per_step(bench, data, settings)
            if turn:  # the first one maps shards, and compiles products
                seconds[name].append(found)
    return statistics.median(seconds["store"]), statistics.median(seconds["memory"])


def usual_seconds(bench: Bench, folder: Path, num_steps: int = 6) -> float:
    """Return the seconds of a step elsewhere: files, workers, plain attention, plain loss."""
    names = bench.train[: BATCH * (num_steps + 1)]
    peers.write_files(folder, bench.pairs, names)
    torch.manual_seed(0)
    aligner = PaperAligner(TEXT_DIM, SPEECH_DIM)
    optimizer = torch.optim.Adam(aligner.parameters(), lr=1e-4)
    ends = []
    for batch in peers.file_batches(folder, names, BATCH):
        student = peers.plain_student([aligner.w_q, aligner.w_k, aligner.w_v], batch)
        plain_contrastive_loss(student, batch[4][batch[1]], 0.07).backward()
        optimizer.step()
        optimizer.zero_grad()
        ends.append(time.perf_counter())
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def memory_probe(path: str) -> None:
    """Print the anonymous memory after a step of an epoch on a store, in MB: the median."""
    bench = Bench.open(Path(path))
    # Small ones, so that the smaller store, too, fills some with long utterances alone.
    size = {"batch_size": BATCH // 4}
    scale = _Scale()
    train_once(bench, bench.batches(**size), bench.settings(**size), scale)
    print(statistics.median(scale.memory[2:]))


def memory_mb(path: Path) -> float:
    """Return what `memory_probe` prints in a process of its own."""
    command = [sys.executable, __file__, "--memory", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def _anonymous_mb() -> float:
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def peak_gflops(dtype: torch.dtype) -> float:
    """Return the speed of a large matrix product, in GFLOP/s."""
    a, b = torch.randn(2_400, 768, dtype=dtype), torch.randn(768, 2_400, dtype=dtype)
    seconds = medians({"product": lambda: a @ b})["product"]
    return 2 * 2_400**2 * 768 / seconds / 1e9


def step_gflop(frames: np.ndarray, tokens: np.ndarray) -> float:
    """Count what a step multiplies and adds, forward and backward, in GFLOP."""
    count, pairs = int(tokens.sum()), int((frames * tokens).sum())
    attention = 2 * 4 * pairs * SPEECH_DIM  # scores and context, forward and backward
    # T W_q and its weight's gradient; W_k and W_v with theirs and their inputs'.
    projections = 2 * count * TEXT_DIM * (2 * TEXT_DIM + 6 * SPEECH_DIM)
    loss = 2 * 2 * count**2 * TEXT_DIM
    return (attention + projections + loss) / 1e9


def measure(folder: Path) -> tuple[dict[str, float], str]:
    """Return the figures, and the page's section."""
    path = folder / "pretrain.zarr"
    write_pretraining_store(path, UTTERANCES, num_dev=NUM_DEV)
    bench = Bench.open(path)
    batch = bench.pairs.gather(bench.mean_batch())
    figures: dict[str, float] = {}
    rows, bounds = [], []
    ends: dict[str, tuple[float, float]] = {}
    for precision, dtype in PRECISIONS.items():
        seconds = medians(step_ways(batch, precision))
        own, plain, sdpa = seconds.values()
        figures[f"step_vs_plain_{precision}"] = plain / own
        figures[f"step_vs_sdpa_{precision}"] = sdpa / own
        rows += [
            [f"{name}, {precision}", f"{1e3 * s:.0f}", f"{s / own:.2f}"]
            for name, s in seconds.items()
        ]
        gflop = step_gflop(batch.inputs.num_frames.numpy(), batch.inputs.num_tokens.numpy())
        share = gflop / own / peak_gflops(dtype)
        bounds.append(f"{share:.0%} in {precision}")
        ends[precision] = store_and_memory(bench, precision)
    figures["store_vs_memory"] = min(memory / store for store, memory in ends.values())
    usual = usual_seconds(bench, folder / "files")
    figures["vs_usual"] = usual / ends["fp32"][0]
    num_steps = -(-LIBRISPEECH_960 // BATCH)
    minutes = {name: num_steps * store / 60 for name, (store, _) in ends.items()}
    figures["epoch_960h_minutes"] = minutes["bf16"]
    with_text_only, _ = store_and_memory(bench, "bf16", text_only=True)
    shutil.rmtree(folder / "files")
    small = folder / "small.zarr"
    write_pretraining_store(small, UTTERANCES // 4, num_dev=NUM_DEV)
    growth = figures["memory_growth_mb"] = memory_mb(path) - memory_mb(small)
    text = "\n\n".join(
        (
            _preamble(batch),
            markdown_table(["A step: forward, backward, Adam", "ms", "time, tokser = 1"], rows),
            markdown_table(
                ["An epoch through `tokser pretrain`", "ms a step", "of the speed in memory"],
                [
                    [f"from the store, {name}", f"{1e3 * store:.0f}", f"{memory / store:.2f}"]
                    for name, (store, memory) in ends.items()
                ]
                + [["a file per utterance, 2 workers, plain, fp32", f"{1e3 * usual:.0f}", ""]],
            ),
            markdown_table(
                ["LibriSpeech-960, projected", "minutes an epoch"],
                [[name, f"{value:.1f}"] for name, value in minutes.items()]
                + [["bf16, with the text-only baseline", f"{num_steps * with_text_only / 60:.1f}"]],
            ),
            f"What bounds it is arithmetic: of the speed of one large matrix product, a step "
            f"reaches {' and '.join(bounds)}. Memory of a run, in batches of "
            f"{BATCH // 4}, on a store four times as large grew by {growth:.0f} MB.",
        )
    )
    return figures, text


def _preamble(batch: Batch) -> str:
    return (
        f"{UTTERANCES - NUM_DEV:,} utterances of LibriSpeech's lengths, Whisper-base's width 512 "
        f"to BERT's 768, batches of {BATCH} ({len(batch.teacher):,} tokens and "
        f"{int(batch.inputs.num_frames.sum()):,} frames), variant `paper`; the loss of all steps "
        "is tokser's. All begin with frames as they are stored, float16; the peers' are padded "
        "before the clock runs. Warm cache.\n\n"
        f"Measured on {machine()}; {versions(('tokser', 'torch', 'lightning', 'numpy'))}."
    )


def run() -> tuple[str, list[str]]:
    """Measure on the disk that holds this checkout; leaves nothing behind but the figures."""
    figures, text = measured_on_disk("pretrain", measure, DISK_GB)
    Console().print(_figures(figures))
    return text, missed(figures, TARGETS)


def _figures(figures: Mapping[str, float]) -> str:
    return "\n".join(f"{name}: {value:.2f}" for name, value in figures.items())


def test_pretraining_against_its_peers():
    assert run()[1] == []


if __name__ == "__main__":
    if sys.argv[1] == "--memory":
        memory_probe(sys.argv[2])
        sys.exit()
    section, faults = run()
    replace_section(Path(sys.argv[1]), "Pretraining", section)
    sys.exit("\n".join(faults) or None)
