"""Does a store hold what its encoders give? Some utterances are encoded again and compared."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tokser.config import ExtractSettings
from tokser.corpora.manifest import Manifest
from tokser.device import resolve_device
from tokser.encoders import load_encoder
from tokser.encoders.base import precision_of
from tokser.errors import MissingInputError, SettingsError
from tokser.extraction.plan import TOKEN_IDS, Work
from tokser.progress import progress_bar
from tokser.store import Store, open_store

__all__ = ["Recomputed", "recompute"]

TOLERANCE = {"float16": 2e-3, "float32": 1e-4}
"""Relative L2 distance that rounding to the stored dtype, and other batches, may make."""

SHORT_TOLERANCE = {"fp32": 0.0, "bf16": 1e-2, "fp16": 2e-3}
"""The same that products in a short type may make, which other batches sum in another order."""


@dataclass(frozen=True)
class Recomputed:
    """How far a stored utterance lies from what its encoder gives now.

    Attributes:
        feature: Name in the store.
        utterance: Its id.
        distance: Relative L2 distance of all its rows.
        is_same: Whether that is within rounding.
    """

    feature: str
    utterance: str
    distance: float
    is_same: bool


def recompute(
    path: str,
    number: int,
    *,
    root: Path | None = None,
    encoders: Sequence[str] = (),
    device: str = "auto",
    seed: int = 0,
) -> list[Recomputed]:
    """Encode random utterances again, and compare them with the store.

    Args:
        path: The store.
        number: Utterances per encoder.
        root: Folder of the corpus; where it was at extraction by default.
        encoders: Where the models are now; where they were at extraction by default.
        device: `auto`, `cpu`, `cuda`, ...
        seed: Chooses the utterances.

    Raises:
        MissingInputError: The corpus or an encoder is not where it was.
        StoreMismatchError: An encoder is another than the store's.
        StoreIncompleteError: A feature is not whole.
    """
    store = open_store(path)
    where = Path(root or store.attributes.root)
    if not where.is_dir():
        raise MissingInputError(
            where, expected="the corpus", got="nothing", remedy="Name its folder with --root."
        )
    manifest = Manifest(store.dataset, where, store.utterances, ())
    found: list[Recomputed] = []
    for group, source in _sources(store, encoders).items():
        made_by = store.group(group).provenance
        encoder = load_encoder(
            source,
            revision=made_by.get("revision") or None,
            device=resolve_device(device),
            precision=precision_of(made_by),
            context=made_by.get("context", "pad"),
        )
        settings = ExtractSettings.model_construct(
            layers="all", dtype="float32", compression="none", shard_mb=256, device=device
        )
        work = Work(encoder, manifest, settings)
        work.plan.refuse_another_model(store.group(group), path)
        found += _compare(store, group, work, random.Random(seed), number)
    return found


def _sources(store: Store, encoders: Sequence[str]) -> dict[str, str]:
    """Say where the model of each extracted group is."""
    named = {source.rstrip("/").rpartition("/")[2]: source for source in encoders}
    groups = [name for name in store.groups if store.group(name).kind in ("speech", "text")]
    unknown = set(named) - set(groups)
    if unknown:
        raise SettingsError(
            f"--encoder {named[min(unknown)]}",
            expected=f"the place of one of {', '.join(groups)}",
            got=min(unknown),
            remedy="Name folders that are called as the encoder was.",
        )
    return {name: named.get(name) or store.group(name).source for name in groups}


def _compare(
    store: Store, group: str, work: Work, chance: random.Random, number: int
) -> list[Recomputed]:
    names = [name for name in store.group(group).features if name != TOKEN_IDS]
    layers = [store[f"{group}/{name}"] for name in names]
    ids = sorted(set.intersection(*(set(layer.ids) for layer in layers)))
    short = SHORT_TOLERANCE[precision_of(store.group(group).provenance)]
    chosen = chance.sample(ids, min(number, len(ids)))
    positions = [store.position(utterance) for utterance in chosen]
    found = []
    with progress_bar(f"recompute {group}", total=len(chosen), unit="utterances") as bar:
        encoded = work.encode(positions, [work.recipe.layers[name] for name in names], bar.advance)
    for utterance, position in zip(chosen, positions, strict=True):
        for name, layer in zip(names, layers, strict=True):
            stored = layer[utterance].astype(np.float64)
            if position in encoded.reasons:
                distance = float("inf")
            else:
                now = encoded.activations[position][work.recipe.layers[name]].astype(np.float64)
                size = float(np.linalg.norm(now))
                distance = float(np.linalg.norm(stored - now)) / max(size, 1e-12)
            is_same = distance <= max(TOLERANCE[layer.spec.dtype], short)
            found.append(Recomputed(layer.name, utterance, distance, is_same))
    return found
