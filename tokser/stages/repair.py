"""Repair a store: damaged or stale shards are computed again by the next run."""

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tokser.extraction.stale import Stale, stale_recordings
from tokser.stages.verify import verify
from tokser.store import Damage, Store, invalidate, open_store
from tokser.store.schema import FUNCTIONALS

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
    stale: list[Stale]


def repair(path: str, root: Path | None = None) -> Repair:
    """Take damaged shards out of the journal, and those of recordings that changed.

    Small files (layout, tables, metadata) need nothing here: the next `extract` writes those that
    are damaged anew.

    Args:
        path: The store.
        root: Folder of the corpus; given, every recording is compared with what was encoded.

    Raises:
        MissingInputError: There is no store at `path`.
        CorruptStoreError: What the store says about itself is damaged.
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


def _shards_of(store: Store, stale: list[Stale]) -> set[tuple[str, int]]:
    """Find the shards that hold stale utterances, or what was computed from them."""
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
    """Name the groups that were computed from a group: its aligned features, all functionals."""
    aligned = [
        name
        for name in store.groups
        if store.group(name).kind == "aligned"
        and any(
            str(feature).startswith(f"{group}/")
            for feature in store.group(name).provenance["features"].values()
        )
    ]
    pooled = [f"{FUNCTIONALS}/{name}" for name in (group, *aligned)]
    return [*aligned, *(name for name in pooled if name in store.groups)]
