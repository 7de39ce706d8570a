"""Does a store hold what its encoders compute? Some utterances are encoded again and compared."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tokser.encoders.base import precision_of
from tokser.errors import SettingsError
from tokser.extraction.add_encoder import manifest_of
from tokser.extraction.encoder_spec import EncoderSpec
from tokser.extraction.feature_specs import TOKEN_IDS
from tokser.extraction.plan import ExtractionPlan
from tokser.progress import progress_bar
from tokser.store import Store, open_store

__all__ = ["Recomputed", "recompute"]

TOLERANCE = {"float16": 2e-3, "float32": 1e-4}
"""Largest relative L2 distance that rounding to the stored dtype, and other batches, explain."""

SHORT_TOLERANCE = {"fp32": 0.0, "bf16": 1e-2, "fp16": 2e-3}
"""The same for products in a short type, whose sums depend on the order within a batch."""


@dataclass(frozen=True)
class Recomputed:
    """Distance of a stored utterance from what its encoder computes now.

    Attributes:
        feature: Name in the store.
        utterance: Its id.
        distance: Relative L2 distance of all its rows.
        is_same: Whether rounding explains it.
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
        root: Folder of the corpus; by default the one at extraction.
        encoders: Folders of the models; by default those at extraction.
        device: `auto`, `cpu`, `cuda`, ...
        seed: Of the sample of utterances.

    Raises:
        MissingInputError: The corpus or an encoder was moved.
        StoreMismatchError: An encoder differs from the store's.
        StoreIncompleteError: A feature is incomplete.
    """
    store = open_store(path)
    manifest = manifest_of(store, root)
    found: list[Recomputed] = []
    for group, source in _sources(store, encoders).items():
        made_by = store.group(group).provenance
        spec = EncoderSpec(
            source,
            made_by.get("revision") or None,
            device,
            precision_of(made_by),
            made_by.get("context", "pad"),
        )
        plan = ExtractionPlan.make(spec, manifest)
        plan.group.refuse_another_model(store.group(group), path)
        found += _compare(store, group, plan, random.Random(seed), number)
    return found


def _sources(store: Store, encoders: Sequence[str]) -> dict[str, str]:
    """Return where the model of each extracted group is."""
    named = {source.rstrip("/").rpartition("/")[2]: source for source in encoders}
    groups = [name for name in store.groups if store.group(name).kind in ("speech", "text")]
    unknown = set(named) - set(groups)
    if unknown:
        raise SettingsError(
            f"--encoder {named[min(unknown)]}",
            expected=f"a folder named like one of the encoders {', '.join(groups)}",
            got=min(unknown),
            remedy="Give the folder the name that the encoder has in the store.",
        )
    return {name: named.get(name) or store.group(name).source for name in groups}


def _compare(
    store: Store, group: str, plan: ExtractionPlan, rng: random.Random, number: int
) -> list[Recomputed]:
    names = [name for name in store.group(group).features if name != TOKEN_IDS]
    layers = [store[f"{group}/{name}"] for name in names]
    ids = sorted(set.intersection(*(set(layer.ids) for layer in layers)))
    short = SHORT_TOLERANCE[precision_of(store.group(group).provenance)]
    sample = rng.sample(ids, min(number, len(ids)))
    utterances = plan.utterances([store.position(utterance) for utterance in sample])
    numbers = plan.extractor.specs.layers
    found = []
    with progress_bar(f"recompute {group}", total=len(sample), unit="utterances") as bar:
        encoded = plan.extractor.encode(utterances, [numbers[name] for name in names], bar.advance)
    for place, utterance in enumerate(sample):
        for name, layer in zip(names, layers, strict=True):
            stored = layer[utterance].astype(np.float64)
            if place in encoded.quarantined:
                distance = float("inf")
            else:
                now = encoded.activations[place][numbers[name]].astype(np.float64)
                size = float(np.linalg.norm(now))
                distance = float(np.linalg.norm(stored - now)) / max(size, 1e-12)
            is_same = distance <= max(TOLERANCE[layer.spec.dtype], short)
            found.append(Recomputed(layer.name, utterance, distance, is_same))
    return found
