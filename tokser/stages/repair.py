"""Repair a store: damaged or stale shards are invalidated, and the next run computes them."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tokser.extraction.stale import StaleRecording, stale_recordings
from tokser.stages.verify import verify
from tokser.store import Damage, Store, invalidate, open_store
from tokser.store.feature_name import functionals_group

__all__ = ["Repair", "repair"]


class Repair(NamedTuple):
    """What a repair found and did.

    Attributes:
        invalidated: Shards that the next run computes again, by feature.
        damages: What `verify` found.
        stale: Recordings that changed.
    """

    invalidated: dict[str, list[int]]
    damages: list[Damage]
    stale: list[StaleRecording]


def repair(path: str, root: Path | None = None) -> Repair:
    """Remove damaged shards, and those of recordings that changed, from the journal.

    Damaged small files (layout, tables, metadata) are not repaired here: the next `extract` writes
    them again.

    Args:
        path: The store.
        root: Folder of the corpus; if given, its recordings are compared with the encoded ones.

    Raises:
        MissingInputError: There is no store at `path`.
        CorruptStoreError: The store's own description is damaged.
    """
    damages = verify(path).damages
    store = open_store(path)
    shards = {(damage.what, damage.shard) for damage in damages if damage.shard is not None}
    stale = [] if root is None else stale_recordings(store, root, thorough=True)
    shards |= _shards_of(store, stale)
    invalidate(store, shards)
    by_feature: dict[str, list[int]] = defaultdict(list)
    for feature, shard in sorted(shards):
        by_feature[feature].append(shard)
    return Repair(dict(by_feature), damages, stale)


def _shards_of(store: Store, stale: list[StaleRecording]) -> set[tuple[str, int]]:
    """Find the shards with stale utterances, or with features computed from them."""
    shards: set[tuple[str, int]] = set()
    for group, utterance, _ in stale:
        position = store.position(utterance)
        for name in (group, *_derived(store, group)):
            for part in store.parts(name):
                for place in np.flatnonzero(part.positions == position):
                    shard = int(part.layout.shard_of[place])
                    features = store.group(name).features
                    shards |= {(f"{part.path}/{feature}", shard) for feature in features}
    return shards


def _derived(store: Store, group: str) -> list[str]:
    """Name the groups that were computed from a group: aligned features and functionals."""
    aligned = [
        name
        for name in store.groups
        if store.group(name).kind == "aligned"
        and any(
            str(feature).startswith(f"{group}/")
            for feature in store.group(name).provenance["features"].values()
        )
    ]
    pooled = [functionals_group(name) for name in (group, *aligned)]
    return [*aligned, *(name for name in pooled if name in store.groups)]
