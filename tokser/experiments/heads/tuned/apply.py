"""Tuned blocks applied to a store: the features `RUN/layer-5`, `RUN/layer-6`, shard by shard."""

from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from tokser.errors import StoreMismatchError
from tokser.experiments.frames import TermFrames
from tokser.experiments.heads.tuned.blocks import EncoderBlocks
from tokser.experiments.heads.tuned.checkpoint import TunedDescription
from tokser.experiments.heads.tuned.length_batches import in_length_batches
from tokser.experiments.heads.tuned.memory import names_what_saves_memory
from tokser.experiments.heads.tuned.model import read_finite
from tokser.experiments.heads.tuned.training import TunedWeights
from tokser.progress import progress_bar, say
from tokser.store import FeatureName, FeatureSpec, GroupPlan, Layer, Store, StoreWriter
from tokser.store.schema import TUNED_ON

__all__ = ["write_tuned_layers"]


def write_tuned_layers(
    store: Store,
    blocks: EncoderBlocks,
    weights: TunedWeights,
    description: TunedDescription,
    *,
    name: str,
    checkpoint_sha256: str,
    batch_size: int,
    device: torch.device,
) -> list[str]:
    """Write the layers above the one that tuned blocks start from.

    Args:
        store: The store; it has that layer, of the same encoder.
        blocks: Untouched.
        weights: What tuning changed.
        description: What they were tuned on; it becomes part of the features' provenance, so that
            experiments can tell whose labels they have seen.
        name: First part of the features' names.
        checkpoint_sha256: Digest of the weights' file.
        batch_size: Utterances in a batch.
        device: Where they are computed.

    Returns:
        The features' names.

    Raises:
        StoreMismatchError: The layer was made by another encoder, or in another way.
    """
    layer = store[blocks.source]
    _require_same_encoder(layer, description)
    plan = _plan(store, layer, blocks, description, name, checkpoint_sha256)
    module = blocks.with_weights(weights.blocks).to(device)
    frames = TermFrames((layer,), device=str(device))
    features = [str(FeatureName(name, one)) for one in plan.features]
    usable = set(layer.ids)
    with StoreWriter.reopen(store) as writer:
        group = writer.plan_group(plan)
        num_pending = len(group.pending())
        if not num_pending:
            say(f"{', '.join(features)}: already in {store.path}")
        with progress_bar(f"apply {name}", total=num_pending, unit="shards") as bar:
            for shard, wanted in group.claims():
                if wanted:
                    ids = [store.ids[place] for place in group.layout.utterances(shard).tolist()]
                    here = [one for one in ids if one in usable]
                    found = _layers(module, frames, here, batch_size)
                    rows = {
                        array: [found.get(one, {}).get(number) for one in ids]
                        for number, array in blocks.names.items()
                        if array in wanted
                    }
                    why = {one: layer.quarantined[one] for one in ids if one in layer.quarantined}
                    group.commit(shard, rows, why)
                bar.advance()
    return features


def _require_same_encoder(layer: Layer, description: TunedDescription) -> None:
    here, then = layer.provenance, description.encoder
    unlike = [key for key in sorted({*here, *then}) if here.get(key) != then.get(key)]
    unlike = [key for key in unlike if key in _DECIDES]
    if unlike:
        raise StoreMismatchError(
            f"{layer.store_path}, {layer.name}",
            expected="; ".join(f"{key} {then.get(key)} as in tuning" for key in unlike),
            got="; ".join(f"{key} {here.get(key)}" for key in unlike),
            remedy="Extract this corpus as the one that the blocks were tuned on.",
        )


_DECIDES = ("model_type", "weights_sha256", "context", "precision", "tokenizer_digest")
"""Provenance of a layer that must be the same in tuning and here."""


def _plan(
    store: Store,
    layer: Layer,
    blocks: EncoderBlocks,
    description: TunedDescription,
    name: str,
    checkpoint_sha256: str,
) -> GroupPlan:
    lengths = layer.lengths.reindex(store.utterances.index, fill_value=0)
    spec = FeatureSpec(dim=layer.dim, dtype=cast(Literal["float16", "float32"], str(layer.dtype)))
    provenance: dict[str, Any] = {
        "model": name,
        "checkpoint_sha256": checkpoint_sha256,
        "head": description.head,
        "fold": description.fold,
        "source_feature": layer.name,
        "source_identity": layer.identity,
        "encoder": layer.provenance,
        TUNED_ON: {"dataset": description.dataset, "ids": sorted(description.tuned_on)},
    }
    return GroupPlan(
        name=name,
        kind=store.group(FeatureName.parse(layer.name).group).kind,
        features=dict.fromkeys(blocks.names.values(), spec),
        lengths=lengths.to_numpy(dtype=np.int64),
        provenance=provenance,
    )


def _layers(
    module: Any, frames: TermFrames, ids: Sequence[str], batch_size: int
) -> dict[str, dict[int, NDArray[np.float32]]]:
    """Return the rows of every layer of each utterance, [rows, dim] by number."""
    found: dict[str, dict[int, NDArray[np.float32]]] = {}
    with torch.inference_mode(), names_what_saves_memory():
        for places in in_length_batches(frames.num_frames(ids), batch_size):
            names = [ids[place] for place in places]
            batch = read_finite(frames, names)
            layers = module.ragged(batch.rows[0], batch.lengths)
            for number, rows in layers.items():
                parts = rows.cpu().split(list(batch.lengths))
                for one, part in zip(names, parts, strict=True):
                    found.setdefault(one, {})[number] = part.numpy()
    return found
