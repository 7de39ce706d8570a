"""10,000 hours on 64 workers: what scheduling costs, by an encoder that sleeps.

The shards are those that a plan makes of a corpus whose recordings differ in length from speaker
to speaker, with Whisper's padded windows; a shard sleeps in proportion to its cost. Some workers
sleep longer: they are slow. Workers are threads of one process, each a worker of its own for Dask,
reached over TCP.
"""

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tokser.extraction.load_batches import Utterances
from tokser.scheduling import Workers, this_worker, workers
from tokser.store.layout import pack

HOURS, WORKERS = 10_000, 64
SLOW, HOW_SLOW = 4, 2.0
"""Workers that take longer than the others, and how much."""
MEAN_S = 6.0
"""Length of an utterance."""
WINDOW_S, FRAMES_PER_S, DIM = 30.0, 50, 512
SPEED = 60.0
"""Padded seconds that a worker encodes in one."""
SLEEP_S = 1.8
"""What a shard sleeps on average, on a worker that is not slow."""
IDLE_S = 3.0
"""For how long the processor time of idle workers is taken."""
CLUSTER = """\
kind: local
jobs: {jobs}
options: {{processes: false, protocol: tcp, memory_limit: 0}}
"""
MONITORS = {
    "distributed.admin.system-monitor.interval": "20s",
    "distributed.worker.profile.enabled": False,
}
"""Each worker measures its machine twice a second and its threads a hundred times: a trifle on 64
machines, and half of what 64 workers in one process do."""

_slow: set[str] = set()
_slow_lock = threading.Lock()


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


class Timed(NamedTuple):
    """What a run took: who slept, and the processor time of the whole process."""

    slept: list[Slept]
    processor_s: float


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
    """Sleep as long as the encoder would compute; the first workers that come here are slow."""
    begin, worker = time.perf_counter(), this_worker()[0]
    with _slow_lock:
        if len(_slow) < SLOW:
            _slow.add(worker)
    time.sleep(shard.sleep_s * (HOW_SLOW if worker in _slow else 1.0))
    return Slept(worker, begin, time.perf_counter())


def simulate(folder: Path, order: Callable[[np.ndarray], list[int]]) -> dict[str, float]:
    """Hand out all shards in an order; returns what the workers did not sleep."""
    import dask
    import distributed  # noqa: F401  first: its settings would be undone with those below

    padded, spans = costs()
    sleeps = padded * (SLEEP_S / padded.mean())

    def tasks() -> Iterator[Shard]:
        for number in order(padded):
            names = [f"utt{place:08d}" for place in range(*spans[number])]
            paths = [f"/corpora/large/{name[3:7]}/{name}.flac" for name in names]
            counts = [0] * len(names)
            nothing = [None] * len(names)
            there = Utterances(names, counts, {}, paths, nothing)
            yield Shard(number, float(sleeps[number]), there)

    file = folder / "cluster.yaml"
    file.write_text(CLUSTER.format(jobs=WORKERS))
    _slow.clear()
    with dask.config.set(MONITORS), workers(None, file) as found:
        timed = _timed(found, tasks())
    return _shares(timed, sleeps[order(padded)]) | {
        "longest_vs_mean": float(padded.max() / padded.mean()),
        "real_shard_s": float(padded.mean() / SPEED),
        "real_hours": float(padded.sum() / SPEED / WORKERS / 3600),
        "scheduler_at_real_speed": WORKERS * timed.processor_s / padded.sum() * SPEED,
    }


def _timed(found: Workers, tasks: Iterator[Shard]) -> Timed:
    """Run all shards; what idle workers take is left out of the processor time."""
    start, begin = time.process_time(), time.perf_counter()
    time.sleep(IDLE_S)
    idle = (time.process_time() - start) / (time.perf_counter() - begin)
    start, begin = time.process_time(), time.perf_counter()
    slept = [slept for _, slept in found.map(sleep, tasks, whole_workers=True)]
    processor_s = time.process_time() - start - idle * (time.perf_counter() - begin)
    return Timed(slept, max(processor_s, 0.0))


def _shares(timed: Timed, sleeps: np.ndarray) -> dict[str, float]:
    """Return what workers did not sleep, as shares of what they slept."""
    begin, end = min(one.begin for one in timed.slept), max(one.end for one in timed.slept)
    last: dict[str, float] = {}
    for one in timed.slept:
        last[one.worker] = max(last.get(one.worker, 0.0), one.end)
    total = sum(one.end - one.begin for one in timed.slept)
    at_end = sum(end - one for one in last.values()) / total
    overhead = WORKERS * (end - begin) / total - 1
    return {
        "shards": len(timed.slept),
        "workers": len(last),
        "wall_s": end - begin,
        "slept_s": total,
        "overhead": overhead,
        "idle_at_end": at_end,
        "idle_between": overhead - at_end,
        "idle_at_end_without_delays": _idle_at_end(sleeps),
        "processor_ms_a_shard": 1e3 * timed.processor_s / len(timed.slept),
    }


def _idle_at_end(sleeps: np.ndarray) -> float:
    """Return the share at the end if each shard went to who is free first, without any delay."""
    speeds = [HOW_SLOW] * SLOW + [1.0] * (WORKERS - SLOW)
    free = [(0.0, worker) for worker in range(WORKERS)]
    for sleep_s in sleeps.tolist():
        at, worker = free[0]
        heapq.heapreplace(free, (at + sleep_s * speeds[worker], worker))
    ends = np.array([at for at, _ in free])
    return float((ends.max() - ends).sum() / ends.sum())


def longest_first(padded: np.ndarray) -> list[int]:
    """Order shards as extraction does."""
    return np.argsort(-padded, kind="stable").tolist()


def as_stored(padded: np.ndarray) -> list[int]:
    """Order shards by their place in the store."""
    return list(range(len(padded)))
