"""The group of a store that holds an encoder's features: rows of layers, or functionals alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.encoders import SpeechEncoder, TextEncoder
from tokser.encoders.layers import dim_of
from tokser.extraction.feature_specs import TOKEN_IDS, WORD, FeatureSpecs
from tokser.functionals.group_plan import functionals_plan
from tokser.store import Compression, FeatureSpec, GroupPlan
from tokser.store.layout import MIN_SHARDS

__all__ = ["plan_group"]

UTTERANCES_PER_SHARD = 512
"""Of functionals alone, which take few bytes: an interrupted run repeats at most this many."""


def plan_group(
    encoder: SpeechEncoder | TextEncoder,
    specs: FeatureSpecs,
    lengths: NDArray[np.int64],
    provenance: dict[str, Any],
    *,
    name: str = "",
    source: str = "",
    compression: Compression = "none",
    shard_mb: int = 256,
) -> GroupPlan:
    """Plan the group of an encoder's features.

    Args:
        encoder: The encoder.
        specs: Its features.
        lengths: Rows of each utterance, int64 [utterances].
        provenance: What determines the rows.
        name: Of the group; by default the encoder's.
        source: Where the model is, for `verify --recompute`.
        compression: Of the rows; functionals are never compressed.
        shard_mb: Budget of one shard over all its arrays, in MiB; functionals have shards of
            their own size.
    """
    name = name or encoder.name
    if specs.functionals_only or specs.utterance_level:
        plan = _plan_functionals(encoder, specs, lengths, provenance, name)
        return plan.model_copy(update={"source": source})
    features = {
        feature: FeatureSpec(dim=dim_of(encoder, layer), dtype=specs.dtype, compression=compression)
        for feature, layer in specs.layers.items()
    }
    if encoder.kind == "text":
        features[TOKEN_IDS] = FeatureSpec(dim=None, dtype="int32", compression=compression)
    return GroupPlan(
        name=name,
        kind=encoder.kind,
        features=features,
        lengths=lengths,
        provenance=provenance,
        source=source,
        shard_bytes=shard_mb * 2**20,
    )


def _plan_functionals(
    encoder: SpeechEncoder | TextEncoder,
    specs: FeatureSpecs,
    lengths: NDArray[np.int64],
    provenance: dict[str, Any],
    name: str,
) -> GroupPlan:
    """Plan the group that `pool` would write."""
    dims = {feature: dim_of(encoder, layer) for feature, layer in specs.layers.items()}
    if encoder.kind == "text":
        dims[WORD] = encoder.dim
    shard = min(max(len(lengths) // MIN_SHARDS, 32), UTTERANCES_PER_SHARD)
    plan = functionals_plan(name, dims, lengths, provenance, utterance_level=specs.utterance_level)
    return plan.model_copy(update={"cut": (shard, shard)})
