"""Extraction against the bare encoder and against what people do today.

Real Whisper-base and real EmoDB recordings (TOKSER_TEST_DATA), a WavLM-base of full size with
random weights. `make bench-extract` writes its section of `docs/benchmarks.md`.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import extract_predict
import extract_probe
import numpy as np
import torch
from distributed import LocalCluster
from extract_data import mixed_lengths, recordings, wavlm_base
from extract_peers import usual_wavlm, usual_whisper
from ratios import (
    BUILD,
    machine,
    markdown_table,
    medians,
    missed,
    replace_section,
    versions,
    write_figures,
)
from ready import Ready
from rich.console import Console
from rich.markdown import Markdown

from tokser.config import ExtractSettings
from tokser.stages.extract import extract
from tokser.store import open_store

PADDED, FITTED, MIXED, SPREAD = 16, 128, 32, 160
"""Recordings: with 30 s windows, without, for WavLM, and for Dask (16 shards, nearly equal)."""
ROUNDS, TURNS = 2, 3
"""Of the slow parts, and of Whisper's, whose ratio is nearest its target."""
FEW, MANY = 100, 2_000
SMALL_MB, USUAL_MB = 16, 256
"""Shards that even the few fill several times; those of the default."""
BATCH = 16
TARGETS = {
    "pipeline_vs_encoder": (0.90, np.inf),
    "vs_usual_fp32": (1.1, np.inf),
    "vs_usual_bf16": (1.8, np.inf),
    "vs_usual_fit": (8, np.inf),
    "wavlm_vs_arrival_order": (1.5, np.inf),
    "padding_waste": (0, 0.05),
    "memory_growth_mb": (-np.inf, 100),
    "dask_vs_serial": (0.9, np.inf),
    "predict_vs_pipeline": (1.0, np.inf),
}

Figures = dict[str, float]
Ways = dict[str, Callable[[], object]]


def data() -> Path:
    """Folder of the real recordings and weights."""
    folder = Path(os.environ.get("TOKSER_TEST_DATA", "../shared")).resolve()
    if not (folder / "models" / "whisper-base").is_dir():
        raise SystemExit(f"{folder}: expected models/whisper-base. Set TOKSER_TEST_DATA.")
    return folder


def measure(folder: Path) -> tuple[Figures, str]:
    """Measure everything, in `folder`."""
    shared = data()
    wavs, whisper = shared / "data" / "emodb" / "wav", shared / "models" / "whisper-base"
    parts = [
        _whisper(folder / "whisper", wavs, whisper),
        _wavlm(folder / "wavlm", wavs),
        _memory(folder / "memory", wavs, whisper),
        _dask(folder / "dask", wavs, whisper),
        extract_predict.measure(folder / "predict", wavs, MIXED, ROUNDS),
    ]
    figures = {name: value for found, _ in parts for name, value in found.items()}
    return figures, "\n\n".join([_preamble(), *(text for _, text in parts)])


def _whisper(folder: Path, wavs: Path, whisper: Path) -> tuple[Figures, str]:
    few = recordings(wavs, folder / "few", PADDED)
    more = recordings(wavs, folder / "more", FITTED)
    script, paths = usual_whisper(whisper), sorted((few / "wav").iterdir())
    kinds: dict[str, tuple[Path, int, dict[str, Any]]] = {
        "fp32": (few, PADDED, {}),
        "bf16": (few, PADDED, {"precision": "bf16"}),
        "fp32, fit": (more, FITTED, {"context": "fit"}),
        "bf16, fit": (more, FITTED, {"context": "fit", "precision": "bf16"}),
    }
    ready = {name: Ready(root, whisper, **options) for name, (root, _, options) in kinds.items()}
    _refuse_unlike(ready["fp32"], script, folder / "like.zarr")
    ways: Ways = {"usual": lambda: script(paths)}
    for name, one in ready.items():
        ways[f"{name}: extraction"] = partial(one.fresh, folder / "store.zarr")
        ways[f"{name}: encoder alone"] = one.bare
    clear = partial(_clear, folder / "store.zarr")
    seconds = medians(ways, rounds=TURNS, turn_s=0, between=clear)
    usual = seconds["usual"] / PADDED
    each = {
        name: [seconds[f"{name}: {way}"] / number for way in ("extraction", "encoder alone")]
        for name, (_, number, _) in kinds.items()
    }
    figures = {
        "pipeline_vs_encoder": each["fp32"][1] / each["fp32"][0],
        "vs_usual_fp32": usual / each["fp32"][0],
        "vs_usual_bf16": usual / each["bf16"][0],
        "vs_usual_fit": usual / each["fp32, fit"][0],
    }
    rows = [["usual script, fp32", f"{1e3 * usual:.0f}", "", "", "1.00"]]
    for name, (whole, alone) in each.items():
        label = f"tokser, {name}" if "fit" in name else f"tokser, {name}, 30 s windows"
        ratios = [f"{alone / whole:.2f}", f"{usual / whole:.2f}"]
        rows.append([label, f"{1e3 * whole:.0f}", f"{1e3 * alone:.0f}", *ratios])
    header = ["Whisper-base, EmoDB", "ms each", "encoder alone", "share of it", "x usual"]
    bound = usual / each["bf16"][1]
    text = (
        f"What bfloat16 gains depends on the processor's instructions for it: here, the encoder "
        f"alone reaches {bound:.2f} x the usual script."
    )
    return figures, f"{markdown_table(header, rows)}\n\n{text}"


def _refuse_unlike(ready: Ready, script: Callable[..., list[np.ndarray]], store: Path) -> None:
    """Raise unless the store holds what the usual script gives: what is timed is the same work."""
    ready.fresh(store)
    layer = open_store(store)["whisper-base/layer-6"]
    for utterance, path in zip(layer.ids[:2], ready.paths[:2], strict=True):
        found = layer[utterance].astype(np.float64)
        wanted = script([path])[0][: len(found)]
        distance = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
        if distance > 1e-3:
            raise RuntimeError(f"{utterance}: relative distance {distance:.1e} to the usual script")
    shutil.rmtree(store)


def _wavlm(folder: Path, wavs: Path) -> tuple[Figures, str]:
    model = wavlm_base(folder / "wavlm-base")
    ready = Ready(mixed_lengths(wavs, folder / "mixed", MIXED), model)
    script = usual_wavlm(model, BATCH)
    arrival = [ready.paths[i] for i in np.random.default_rng(1).permutation(MIXED)]
    ways: Ways = {
        "usual": lambda: script(arrival),
        "tokser": partial(ready.fresh, folder / "store.zarr"),
    }
    clear = partial(_clear, folder / "store.zarr")
    seconds = medians(ways, rounds=ROUNDS, turn_s=0, between=clear)
    figures = {
        "wavlm_vs_arrival_order": seconds["usual"] / seconds["tokser"],
        "padding_waste": ready.padding_waste(),
    }
    lengths = dict(zip(ready.paths, ready.num_samples, strict=True))
    padded = sum(
        max(lengths[path] for path in arrival[first : first + BATCH]) * BATCH
        for first in range(0, MIXED, BATCH)
    )
    waste = 1 - sum(lengths.values()) / padded
    rows = [
        [f"padded batches of {BATCH}, arrival order", f"{seconds['usual']:.1f}", f"{waste:.1%}"],
        ["tokser", f"{seconds['tokser']:.1f}", f"{figures['padding_waste']:.1%}"],
    ]
    header = [f"WavLM-base, {MIXED} utterances of 1 to 15 s, fp32", "s", "padding"]
    return figures, markdown_table(header, rows)


def _clear(store: Path) -> None:
    shutil.rmtree(store, ignore_errors=True)


def _memory(folder: Path, wavs: Path, whisper: Path) -> tuple[Figures, str]:
    roots = {number: recordings(wavs, folder / str(number), number) for number in (FEW, MANY)}
    peaks = {}
    for number, shard_mb in ((FEW, SMALL_MB), (MANY, SMALL_MB), (MANY, USUAL_MB)):
        store = folder / f"{number}-{shard_mb}.zarr"
        found = extract_probe.run(roots[number], store, whisper, shard_mb)
        if found["utterances"] != number:
            raise RuntimeError(f"{found['utterances']:.0f} utterances instead of {number}")
        peaks[number, shard_mb] = found["peak_mb"]
    rows = [
        [f"{number:,} utterances", f"{shard_mb}", f"{peak:.0f}"]
        for (number, shard_mb), peak in peaks.items()
    ]
    header = ["All layers of Whisper-base, peak of anonymous memory", "shards of MiB", "MB"]
    growth = peaks[MANY, SMALL_MB] - peaks[FEW, SMALL_MB]
    text = "Of the store, two shards are in memory at most: one is filled while another is written."
    return {"memory_growth_mb": growth}, f"{text}\n\n{markdown_table(header, rows)}"


def _dask(folder: Path, wavs: Path, whisper: Path) -> tuple[Figures, str]:
    settings = ExtractSettings(
        dataset="emodb",
        root=recordings(wavs, folder / "emodb", SPREAD),
        store=str(folder / "store.zarr"),
        encoders=(str(whisper),),
        device="cpu",
    )
    start = time.perf_counter()
    with _two_workers() as address:
        spread = settings.model_copy(update={"scheduler": address})
        # Each worker loads the model with its first shard.
        extract(spread)
        start_s = time.perf_counter() - start

        ways: Ways = {
            "one process, two threads": partial(extract, settings),
            "two workers of one thread": partial(extract, spread),
        }
        clear = partial(_clear, Path(settings.store))
        clear()
        seconds = medians(ways, rounds=ROUNDS, turn_s=0, between=clear)
    serial, dask = seconds.values()
    rows = [[name, f"{value:.1f}"] for name, value in seconds.items()]
    rows.append(["workers started, and a first run that loads the model", f"{start_s:.1f}"])
    header = [f"`tokser extract`, Whisper-base, fp32, {SPREAD} utterances", "s"]
    return {"dask_vs_serial": serial / dask}, markdown_table(header, rows)


@contextmanager
def _two_workers() -> Iterator[str]:
    options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    with LocalCluster(n_workers=2, processes=True, **options) as cluster:
        yield cluster.scheduler_address


def _preamble() -> str:
    return (
        "What is timed is everything from the sound files to the committed store; models are "
        "loaded before. The encoder alone is a loop of forward passes on ready-made features, in "
        "the same batches. The usual script is plain transformers, one file at a time, to numpy, "
        f"with nothing written. Medians of {ROUNDS} to {TURNS} turns in changing order. EmoDB's "
        "recordings are cut at 2 s.\n\n"
        f"Measured on {machine()}, {torch.get_num_threads()} threads; "
        f"{versions(('tokser', 'torch', 'transformers', 'distributed'))}."
    )


def run() -> tuple[Figures, str]:
    """Measure on the disk that holds this checkout; leaves nothing behind."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        figures, text = measure(Path(folder))
    write_figures("extract", figures)
    Console().print(Markdown(text))
    return figures, text


def test_extraction_against_the_encoder_and_the_usual_script():
    figures, _ = run()
    assert missed(figures, TARGETS) == []


if __name__ == "__main__":
    found, section = run()
    replace_section(Path(sys.argv[1]), "Extraction", section)
    sys.exit("\n".join(missed(found, TARGETS)) or None)
