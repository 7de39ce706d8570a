"""10,000 hours on 64 workers: what scheduling costs, by an encoder that sleeps.

The shards are those that a plan makes of a corpus whose recordings differ in length from speaker
to speaker, with Whisper's padded windows; a second of a shard's cost is slept as `SCALE_S`. Workers
are threads of one process, each a worker of its own for Dask, reached over TCP.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tokser.extraction.load_batches import Utterances
from tokser.scheduling import Workers, this_worker, workers
from tokser.store.layout import pack

HOURS, WORKERS = 10_000, 64
MEAN_S = 6.0
"""Length of an utterance."""
WINDOW_S, FRAMES_PER_S, DIM = 30.0, 50, 512
SPEED = 60.0
"""Padded seconds that a worker encodes in one."""
SLEEP_S = 0.8
"""What a shard sleeps on average."""
CLUSTER = """\
kind: local
jobs: {jobs}
options: {{processes: false, protocol: tcp, memory_limit: 0}}
"""


class Shard(NamedTuple):
    """A task: as much as a real one sends, and how long it sleeps."""

    number: int
    sleep_s: float
    utterances: Utterances


class Slept(NamedTuple):
    """Who slept, from when to when."""

    worker: str
    begin: float
    end: float


def costs() -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return the padded seconds of each shard, and the utterances it has, first and after."""
    rng = np.random.default_rng(0)
    number = int(HOURS * 3600 / MEAN_S)
    of_speaker = np.repeat(rng.lognormal(0, 0.5, -(-number // 200)), 200)[:number]
    seconds = of_speaker * rng.lognormal(0, 0.4, number)
    seconds = (seconds * MEAN_S / seconds.mean()).clip(0.5, WINDOW_S)
    lengths = (FRAMES_PER_S * seconds).astype(np.int64)
    layout = pack(lengths, {"layer-6": 2 * DIM}, 256 * 2**20)
    spans = [layout.shard_utterances(shard) for shard in range(layout.num_shards)]
    return np.array([WINDOW_S * (after - first) for first, after in spans]), spans


def sleep(shard: Shard) -> Slept:
    """Sleep as long as the encoder would compute."""
    begin = time.perf_counter()
    time.sleep(shard.sleep_s)
    return Slept(this_worker()[0], begin, time.perf_counter())


def simulate(folder: Path, order: Callable[[np.ndarray], list[int]]) -> dict[str, float]:
    """Hand out all shards in an order; returns what the workers did not sleep."""
    padded, spans = costs()
    scale = SLEEP_S / padded.mean()

    def tasks() -> Iterator[Shard]:
        for number in order(padded):
            names = [f"utt{place:08d}" for place in range(*spans[number])]
            paths = [Path(f"/corpora/large/{name[3:7]}/{name}.flac") for name in names]
            counts = [0] * len(names)
            nothing = [None] * len(names)
            there = Utterances(names, counts, {}, paths, nothing)
            yield Shard(number, float(padded[number] * scale), there)

    file = folder / "cluster.yaml"
    file.write_text(CLUSTER.format(jobs=WORKERS))
    with workers(None, file) as found:
        slept = _timed(found, tasks())
    begin, end = min(one.begin for one in slept), max(one.end for one in slept)
    last: dict[str, float] = {}
    for one in slept:
        last[one.worker] = max(last.get(one.worker, 0.0), one.end)
    total = float(padded.sum() * scale)
    tail = sum(end - one for one in last.values())
    return {
        "shards": len(padded),
        "workers": len(last),
        "longest_vs_mean": float(padded.max() / padded.mean()),
        "real_hours": float(padded.sum() / SPEED / WORKERS / 3600),
        "wall_s": end - begin,
        "slept_s": total,
        "overhead": WORKERS * (end - begin) / total - 1,
        "idle_at_end": tail / total,
        "idle_between": WORKERS * (end - begin) / total - 1 - tail / total,
    }


def _timed(found: Workers, tasks: Iterator[Shard]) -> list[Slept]:
    return [slept for _, slept in found.map(sleep, tasks)]


def longest_first(padded: np.ndarray) -> list[int]:
    """Order shards as extraction does."""
    return np.argsort(-padded, kind="stable").tolist()


def as_stored(padded: np.ndarray) -> list[int]:
    """Order shards by their place in the store."""
    return list(range(len(padded)))
