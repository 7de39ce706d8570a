"""What an extraction will cost, before it runs: rows, bytes, files, hours."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from tokser.config import ExtractSettings
from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.errors import (
    CorruptStoreError,
    InputError,
    MissingInputError,
    StoreMismatchError,
)
from tokser.extraction.plan import Work, plan_works
from tokser.progress import say
from tokser.store import GroupPlan, is_remote, open_store, pack_plan

__all__ = ["Estimate", "FeatureEstimate", "estimate", "refuse_without_room"]

MEASURE_S = 5.0
"""How long an encoder is run to learn its speed, at least one pass."""

_PROBES = 5


@dataclass(frozen=True)
class FeatureEstimate:
    """One feature that is to be written.

    Attributes:
        name: Its name in the store.
        num_rows: Frames or tokens.
        num_bytes: Of its shards.
        num_shards: Files that hold them.
        num_shards_done: Those that are there already.
    """

    name: str
    num_rows: int
    num_bytes: int
    num_shards: int
    num_shards_done: int

    @property
    def num_bytes_to_write(self) -> int:
        """Bytes of the shards that are not there yet."""
        return self.num_bytes * (self.num_shards - self.num_shards_done) // self.num_shards


@dataclass(frozen=True)
class Estimate:
    """What a call of `extract` will cost.

    Attributes:
        features: Every feature that it is to write.
        audio_hours: Of the usable recordings.
        seconds: Expected time that is left, by encoder, from a few seconds of it.
        free_bytes: Room on the store's disk, None for a store at a URL.
    """

    features: list[FeatureEstimate]
    audio_hours: float
    seconds: dict[str, float]
    free_bytes: int | None

    @property
    def num_bytes_to_write(self) -> int:
        """Bytes of all shards that are not there yet."""
        return sum(feature.num_bytes_to_write for feature in self.features)

    @property
    def num_files(self) -> int:
        """Files of all shards and their journal entries, there or not."""
        return sum(2 * feature.num_shards for feature in self.features)


def estimate(settings: ExtractSettings) -> Estimate:
    """Plan an extraction, and time a few seconds of each encoder; nothing is written.

    Raises:
        InputError: The corpus or an encoder is not what it should be, or the disk has no room.
    """
    manifest, works = plan_works(settings)
    refuse_without_room(settings, works)
    features = [feature for work in works for feature in _features(settings, work)]
    rates = manifest.table["sampling_rate_hz"].clip(lower=1)
    hours = float((manifest.table["num_samples"] / rates).sum() / 3600)
    seconds = {work.encoder.name: _expected_seconds(work, features) for work in works}
    return Estimate(features, hours, seconds, _free_bytes(settings.store))


def refuse_without_room(settings: ExtractSettings, works: Sequence[Work]) -> None:
    """Raise `InputError` if the disk cannot hold what is to be written, uncompressed."""
    free = _free_bytes(settings.store)
    if free is None or settings.compression != "none":
        return
    needed = sum(f.num_bytes_to_write for work in works for f in _features(settings, work))
    if needed > free:
        raise InputError(
            settings.store,
            expected=f"{needed / 1e9:.2f} GB of free disk for what is to be written",
            got=f"{free / 1e9:.2f} GB",
            remedy="Name a store on another disk, choose fewer --layers, or free some space.",
        )


def _features(settings: ExtractSettings, work: Work) -> list[FeatureEstimate]:
    plan, layout = work.plan, pack_plan(work.plan)
    done = _done(settings.store, plan, layout.num_shards)
    return [
        FeatureEstimate(
            name=f"{plan.name}/{name}",
            num_rows=int(plan.lengths.sum()),
            num_bytes=layout.num_rows * spec.row_bytes,
            num_shards=layout.num_shards,
            num_shards_done=done.get(name, 0),
        )
        for name, spec in plan.features.items()
    ]


def _done(path: str, plan: GroupPlan, num_shards: int) -> dict[str, int]:
    """Count the shards of each planned feature that the store has.

    Of a group that is to grow, or grew, it is the share of its utterances that are there.
    """
    try:
        store = open_store(path)
        names = [name for name in plan.features if f"{plan.name}/{name}" in store]
        num_utterances = len(plan.lengths)
        if names and (len(store.ids) != num_utterances or not store.is_plain(plan.name)):
            layers = {name: store[f"{plan.name}/{name}"] for name in names}
            there = {name: len(of.records()) - len(of.outdated) for name, of in layers.items()}
            return {name: num_shards * n // num_utterances for name, n in there.items()}
        return {
            name: sum(entry is not None for entry in store[f"{plan.name}/{name}"].entries)
            for name in names
        }
    except (MissingInputError, StoreMismatchError, CorruptStoreError):
        # Not there yet, or another process is laying it down, or damaged: the writer says more.
        return {}


def _free_bytes(path: str) -> int | None:
    if is_remote(path):
        return None
    folder = Path(path).absolute()
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free if os.access(folder, os.R_OK) else None


def _expected_seconds(work: Work, features: Sequence[FeatureEstimate]) -> float:
    """Time passes over utterances spread over all lengths, and scale by their rows."""
    here = [f for f in features if f.name.startswith(f"{work.plan.name}/")]
    left = max(1 - f.num_shards_done / f.num_shards for f in here)
    if left == 0:
        return 0.0
    cost = _cost(work)
    usable = np.flatnonzero(work.rows.lengths)
    by_cost = usable[np.argsort(cost[usable], kind="stable")]
    say(f"{work.encoder.name}: measuring its speed for {MEASURE_S:.0f} s")
    speeds: list[float] = []
    start = time.perf_counter()
    probe = 0
    while not speeds or (time.perf_counter() - start < MEASURE_S and probe < _PROBES):
        chosen = by_cost[probe % len(by_cost) :: max(1, len(by_cost) // 4)][:4].tolist()
        began = time.perf_counter()
        work.encode(chosen, list(work.recipe.layers.values()))
        speeds.append(float(cost[chosen].sum()) / (time.perf_counter() - began))
        probe += 1
    return left * float(cost[usable].sum()) / median(speeds)


def _cost(work: Work) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """What each utterance costs: padded seconds of audio, or tokens."""
    if work.encoder.kind == "text":
        return work.rows.lengths.astype(np.float64)
    seconds = work.num_samples / SAMPLING_RATE_HZ
    window_s = work.encoder.provenance().get("window_s")
    return np.ceil(seconds / window_s) * window_s if window_s else seconds
