"""Tuned blocks applied to a store: the features `RUN/layer-5`, `RUN/layer-6`, shard by shard."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from tokser.experiments.frames import FrameBatch, TermFrames
from tokser.experiments.heads.tuned.blocks import EncoderBlocks
from tokser.experiments.heads.tuned.checkpoint import TunedDescription
from tokser.experiments.heads.tuned.length_batches import in_length_batches
from tokser.experiments.heads.tuned.memory import names_what_saves_memory
from tokser.experiments.heads.tuned.model import read_finite
from tokser.experiments.heads.tuned.training import TunedWeights
from tokser.store import FeatureName, FeatureSpec, GroupPlan, Layer, Store
from tokser.store.same_provenance import require_same_provenance
from tokser.store.schema import TUNED_ON
from tokser.store.write_computed import ComputedRows, write_computed

__all__ = ["tuned_layers", "tuned_provenance", "write_tuned_layers"]

_SAME_AS_IN_TUNING = ("context", "model_type", "precision", "tokenizer_digest", "weights_sha256")
"""Provenance of a layer that must be the same in tuning and here."""


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
    require_same_provenance(
        f"{store.path}, {layer.name}",
        _SAME_AS_IN_TUNING,
        wanted=description.encoder,
        found=layer.provenance,
        wanted_from="as in tuning",
        remedy="Extract this corpus as the one that the blocks were tuned on.",
    )
    plan = _plan(store, layer, blocks, description, name, checkpoint_sha256)
    module = blocks.with_weights(weights.blocks).to(device)
    frames = TermFrames((layer,), device=str(device))

    def compute(ids: list[str], wanted: Collection[str]) -> ComputedRows:
        lengths = frames.num_frames(ids)
        found = tuned_layers(module, partial(read_finite, frames), ids, lengths, batch_size)
        return {array: found.get(number, {}) for number, array in blocks.names.items()}

    return write_computed(
        store,
        plan,
        compute,
        usable=set(layer.ids),
        reasons=layer.quarantined,
        label=f"apply {name}",
    )


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
    return GroupPlan(
        name=name,
        kind=store.group(FeatureName.parse(layer.name).group).kind,
        features=dict.fromkeys(blocks.names.values(), spec),
        lengths=lengths.to_numpy(dtype=np.int64),
        provenance=tuned_provenance(layer, description, name, checkpoint_sha256),
    )


def tuned_provenance(
    layer: Layer, description: TunedDescription, name: str, checkpoint_sha256: str
) -> dict[str, Any]:
    """Return the provenance of tuned layers: blocks, and whose labels they have seen.

    Args:
        layer: The stored layer that the blocks start from.
        description: Of the blocks.
        name: Of the group.
        checkpoint_sha256: Digest of the weights' file.
    """
    return {
        "model": name,
        "checkpoint_sha256": checkpoint_sha256,
        "head": description.head,
        "fold": description.fold,
        "source_feature": layer.name,
        "source_identity": layer.identity,
        "encoder": layer.provenance,
        TUNED_ON: {"dataset": description.dataset, "ids": sorted(description.tuned_on)},
    }


def tuned_layers(
    module: Any,
    read: Callable[[Sequence[str]], FrameBatch],
    ids: Sequence[str],
    lengths: NDArray[np.int64],
    batch_size: int,
) -> dict[int, dict[str, NDArray[np.float32]]]:
    """Return the rows of each utterance, [rows, dim] by id, of every layer by its number.

    Args:
        module: The blocks, on the device of what is read.
        read: Returns the rows of layer k of some utterances.
        ids: Utterances.
        lengths: Rows of each.
        batch_size: Utterances in a batch.
    """
    found: dict[int, dict[str, NDArray[np.float32]]] = {}
    with torch.inference_mode(), names_what_saves_memory():
        for places in in_length_batches(lengths, batch_size):
            names = [ids[place] for place in places]
            batch = read(names)
            layers = module.ragged(batch.rows[0], batch.lengths)
            for number, rows in layers.items():
                parts = rows.cpu().split(list(batch.lengths))
                own = found.setdefault(number, {})
                own |= {one: part.numpy() for one, part in zip(names, parts, strict=True)}
    return found
