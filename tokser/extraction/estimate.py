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
from tokser.errors import (
    CorruptStoreError,
    InputError,
    MissingInputError,
    StoreMismatchError,
)
from tokser.extraction.cost import utterance_costs
from tokser.extraction.plan import ExtractionPlan, plan_extraction
from tokser.progress import say
from tokser.store import GroupPlan, is_remote, open_store, pack_plan

__all__ = ["Estimate", "FeatureEstimate", "estimate", "require_free_disk"]

MEASURE_S = 5.0
"""How long an encoder is timed, at least one measurement."""

_MAX_MEASUREMENTS = 5


@dataclass(frozen=True)
class FeatureEstimate:
    """One feature that will be written.

    Attributes:
        name: Its name in the store.
        num_rows: Frames or tokens.
        num_bytes: Size of its shards.
        num_shards: Files that hold them.
        num_shards_done: Those that are in the store already.
        is_compressed: Whether its shards will be smaller than `num_bytes`.
    """

    name: str
    num_rows: int
    num_bytes: int
    num_shards: int
    num_shards_done: int
    is_compressed: bool = False

    @property
    def num_bytes_to_write(self) -> int:
        """Bytes of the shards that are not there yet."""
        return self.num_bytes * (self.num_shards - self.num_shards_done) // self.num_shards


@dataclass(frozen=True)
class Estimate:
    """What a call of `extract` will cost.

    Attributes:
        features: Every feature that it will write.
        audio_hours: Of the usable recordings.
        seconds: Expected time, by encoder, extrapolated from a few seconds of it.
        free_bytes: Free space on the store's disk; None for a store at a URL.
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
        InputError: The corpus or an encoder is not what it should be, or the disk is too full.
    """
    manifest, plans = plan_extraction(settings)
    require_free_disk(settings.store, plans)
    features = [feature for plan in plans for feature in _features(settings.store, plan)]
    rates = manifest.table["sampling_rate_hz"].clip(lower=1)
    hours = float((manifest.table["num_samples"] / rates).sum() / 3600)
    seconds: dict[str, float] = {}
    for plan in plans:
        expected = _expected_seconds(plan, features)
        seconds[plan.encoder.name] = seconds.get(plan.encoder.name, 0.0) + expected
    return Estimate(features, hours, seconds, _free_bytes(settings.store))


def require_free_disk(store: str, plans: Sequence[ExtractionPlan]) -> None:
    """Raise `InputError` if the disk cannot hold the uncompressed features of some plans."""
    free = _free_bytes(store)
    if free is None:
        return
    features = [feature for plan in plans for feature in _features(store, plan)]
    needed = sum(one.num_bytes_to_write for one in features if not one.is_compressed)
    if needed > free:
        raise InputError(
            store,
            expected=f"{needed / 1e9:.2f} GB of free disk for the new features",
            got=f"{free / 1e9:.2f} GB",
            remedy="Name a store on another disk, extract fewer --layers, or free some space.",
        )


def _features(store: str, plan: ExtractionPlan) -> list[FeatureEstimate]:
    group, layout = plan.group, pack_plan(plan.group)
    done = _done(store, group, layout.num_shards)
    return [
        FeatureEstimate(
            name=f"{group.name}/{name}",
            num_rows=int(group.lengths.sum()),
            num_bytes=layout.num_rows * spec.row_bytes,
            num_shards=layout.num_shards,
            num_shards_done=done.get(name, 0),
            is_compressed=spec.compression != "none",
        )
        for name, spec in group.features.items()
    ]


def _done(path: str, plan: GroupPlan, num_shards: int) -> dict[str, int]:
    """Count the shards of each planned feature that the store has.

    For a group that grew, or will grow, it is the share of its utterances that are there.
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
        # Not there yet, or being planned by another process, or damaged: the writer reports it.
        return {}


def _free_bytes(path: str) -> int | None:
    if is_remote(path):
        return None
    folder = Path(path).absolute()
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free if os.access(folder, os.R_OK) else None


def _expected_seconds(plan: ExtractionPlan, features: Sequence[FeatureEstimate]) -> float:
    """Time a few utterances of all lengths, and scale by the cost of the others."""
    own = [f for f in features if f.name.startswith(f"{plan.group.name}/")]
    share_left = max(1 - f.num_shards_done / f.num_shards for f in own)
    if share_left == 0:
        return 0.0
    cost = utterance_costs(plan)
    usable = np.flatnonzero(plan.rows.lengths)
    by_cost = usable[np.argsort(cost[usable], kind="stable")]
    say(f"{plan.encoder.name}: measuring its speed for {MEASURE_S:.0f} s")
    layers = list(plan.extractor.specs.layers.values())
    speeds: list[float] = []
    start = time.perf_counter()
    while not speeds or (
        time.perf_counter() - start < MEASURE_S and len(speeds) < _MAX_MEASUREMENTS
    ):
        first, step = len(speeds) % len(by_cost), max(1, len(by_cost) // 4)
        sample = by_cost[first::step][:4].tolist()
        began = time.perf_counter()
        plan.extractor.encode(plan.utterances(sample), layers)
        speeds.append(float(cost[sample].sum()) / (time.perf_counter() - began))
    return share_left * float(cost[usable].sum()) / median(speeds)
