"""A million utterances through every step, and 10,000 hours on 64 workers that sleep.

Each step runs in a process of its own, whose time and peak of memory are taken. The corpus and its
store are kept in `build/bench/scale-NUMBER` for the next run. `make bench-scale` writes
`docs/benchmarks.md`; `--steps` names some of the steps, `--only-workers` leaves them all out: what
earlier runs measured of the others stays.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import scale_probe
import scale_workers
from ratios import BUILD, machine, markdown_table, missed, replace_section, versions, write_figures
from rich.console import Console
from rich.markdown import Markdown
from scale_data import FEATURE, table, write_recordings, write_splits, write_store

from tokser.testing import build_tiny_whisper

UTTERANCES, DISK_GB = 1_000_000, 10
PACKAGES = ("numpy", "pandas", "distributed")
TARGETS = {
    "overhead": (-0.01, 0.05),
    "idle_at_end": (-0.01, 0.02),
    "scheduler_at_real_speed": (0.0, 0.05),
}
STEPS = ("manifest", "plan", "open", "batches", "pool", "audit", "logreg", "mlp")

Figures = dict[str, float]


def prepare(folder: Path, number: int) -> None:
    """Write recordings, their table, the splits and an encoder, unless they are there."""
    build_tiny_whisper(BUILD / "tiny-whisper")
    if (folder / "splits.json").is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    write_recordings(folder / "audio", number)
    table(number).to_csv(folder / "table.csv", index=False)
    write_splits(folder / "splits.json", number)


def commands(folder: Path) -> dict[str, list[object]]:
    """Return what each step runs."""
    audio, manifest, store = folder / "audio", folder / "manifest.csv", folder / "store.zarr"
    given = ["--root", audio, "--table", folder / "table.csv", "--out", manifest]
    by_splits = ["--store", store, "--splits", folder / "splits.json"]
    fit = ["tokser", "classify", "--dataset", "large", *by_splits, "--features", FEATURE]
    encoder, few = BUILD / "tiny-whisper", ["--epochs", 3, "--no-refit"]
    return {
        "manifest": ["tokser", "manifest", "csv", *given, "--language", "en"],
        "plan": ["plan", audio, manifest, encoder, folder / "planned.zarr"],
        "open": ["open", store],
        "batches": ["batches", store, 200_000],
        "pool": ["tokser", "pool", "--store", store, "--feature", FEATURE],
        "audit": ["tokser", "audit", *by_splits],
        "logreg": [*fit, "--head", "logreg", "--no-refit", "--out", folder / "logreg"],
        "mlp": [*fit, "--head", "mlp", "--grid", "batch_size=1024,lr=1e-3,5e-3", *few, "--out",
                folder / "mlp"],
    }  # fmt: skip


def measure_steps(folder: Path, number: int, steps: Sequence[str]) -> Figures:
    """Run steps one after the other; returns seconds and MB of each."""
    prepare(folder, number)
    figures: Figures = {}
    for step in steps:
        for left in ("planned.zarr", "logreg", "mlp", *(["cache"] if step == "audit" else [])):
            shutil.rmtree(folder / left, ignore_errors=True)
        if step not in ("manifest", "plan") and not (folder / "store.zarr").is_dir():
            write_store(folder / "store.zarr", folder / "manifest.csv")
        found = scale_probe.run(folder / "found.json", *map(str, commands(folder)[step]))
        figures |= {f"{step}_{key}": value for key, value in found.items()}
        Console().print(step, found)
    return figures


def page_of_steps(figures: Mapping[str, float], number: int) -> str:
    """Lay out what the steps took."""
    told = {
        "manifest": "`tokser manifest csv`",
        "plan": "extraction planned, its group laid down",
        "open": "`open_store` to the first utterance",
        "batches": "200,000 utterances read in random order",
        "pool": "`tokser pool`, one feature",
        "audit": "`tokser audit`, all pairs of recordings compared",
        "logreg": "`tokser classify --head logreg`, pairs kept by the audit",
        "mlp": "`tokser classify --head mlp`, 2 points, 3 epochs, pairs kept",
    }
    rows = [
        [
            text,
            f"{figures[f'{step}_s']:.1f}",
            f"{figures[f'{step}_processor_s']:.1f}",
            f"{figures[f'{step}_mb']:,.0f}",
        ]
        for step, text in told.items()
        if f"{step}_s" in figures
    ]
    header = [
        f"{number:,} utterances, 64 functionals, a process each",
        "s",
        "processor s",
        "MB at most",
    ]
    return markdown_table(header, rows)


def measure_workers(hours: float) -> tuple[Figures, str]:
    """Hand out shards longest first."""
    scale_workers.HOURS = hours
    with tempfile.TemporaryDirectory() as folder:
        found = scale_workers.simulate(Path(folder), scale_workers.longest_first)
    ideal = 100 * found["idle_at_end_without_delays"]
    rows = [
        ["workers computing", f"{100 / (1 + found['overhead']):.1f}"],
        ["between two shards: scheduling, sending, unpickling", _share(found, "idle_between")],
        [f"at the end: waiting for the last shard (without any delay: {ideal:.2f})",
         _share(found, "idle_at_end")],
    ]  # fmt: skip
    head = f"{found['shards']:,.0f} shards on {found['workers']:.0f} workers"
    return found, f"{markdown_table([head, '% of their time'], rows)}\n\n{_told(found, hours)}"


def _told(found: Mapping[str, float], hours: float) -> str:
    """Say what is compressed, and what scheduling would take of a real extraction."""
    real_s, processor_ms = found["real_shard_s"], found["processor_ms_a_shard"]
    return (
        f"{hours:,.0f} hours in {found['wall_s']:.0f} s: a shard that takes {real_s:.0f} s at "
        f"{scale_workers.SPEED:.0f} padded seconds a second sleeps {scale_workers.SLEEP_S} s, the "
        f"longest {found['longest_vs_mean']:.1f} times that; {scale_workers.SLOW} workers are "
        f"{scale_workers.HOW_SLOW:.0f} times slower. What a task sends, and how many there are, is "
        "as in extraction; the workers are threads of one process, which speak TCP; the system "
        "monitors and profilers of 64 workers, which this one machine would run, are nearly off. A "
        "shard costs "
        f"{processor_ms:.1f} ms of processor time, of client, scheduler and worker together: "
        f"{processor_ms:.1f} ms / ({real_s:.0f} s / {found['workers']:.0f} workers) = "
        f"{100 * found['scheduler_at_real_speed']:.2f} % of one core in a real extraction, "
        f"which would take {found['real_hours']:.1f} hours."
    )


def _share(found: Mapping[str, float], name: str) -> str:
    return f"{100 * found[name] / (1 + found['overhead']):.1f}"


def run(given: argparse.Namespace) -> tuple[Figures, str]:
    """Measure, print, and write `build/bench/scale.json`."""
    BUILD.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(BUILD).free / 1e9
    if free_gb < DISK_GB:
        raise SystemExit(f"{BUILD}: expected {DISK_GB} GB of free disk, got {free_gb:.1f}.")
    file = BUILD / f"scale-parts-{given.utterances}.json"
    kept = json.loads(file.read_text()) if file.is_file() else {"figures": {}, "texts": {}}
    figures, texts = kept["figures"], kept["texts"]
    measured = f"Measured on {machine()}; {versions(('tokser', *PACKAGES))}."
    if not given.only_workers:
        folder = BUILD / f"scale-{given.utterances}"
        figures |= measure_steps(folder, given.utterances, given.steps)
        texts["steps"] = f"{page_of_steps(figures, given.utterances)}\n\n{measured}"
    if not given.without_workers:
        found, text = measure_workers(given.hours)
        figures |= found
        texts["workers"] = f"{text}\n\n{measured}"
    file.write_text(json.dumps(kept))
    write_figures("scale", figures)
    text = "\n\n".join(texts[name] for name in ("steps", "workers") if name in texts)
    Console().print(Markdown(text))
    return figures, text


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("page", type=Path)
    parser.add_argument("--utterances", type=int, default=UTTERANCES)
    parser.add_argument("--hours", type=float, default=scale_workers.HOURS)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--only-workers", action="store_true")
    parser.add_argument("--without-workers", action="store_true")
    options = parser.parse_args()
    measured, section = run(options)
    if options.utterances == UTTERANCES:
        replace_section(options.page, "A million utterances, 10,000 hours", section)
    targets = {name: ends for name, ends in TARGETS.items() if name in measured}
    sys.exit("\n".join(missed(measured, targets)) or None)
