"""The group of a store that holds an encoder's features: rows of layers, or functionals alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.encoders import SpeechEncoder, TextEncoder
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
        source: Where the model is, for `verify --recompute`.
        compression: Of the rows; functionals are never compressed.
        shard_mb: Budget of one shard over all its arrays, in MiB; functionals have shards of
            their own size.
    """
    if specs.functionals_only:
        plan = _plan_functionals(encoder, specs, lengths, provenance)
        return plan.model_copy(update={"source": source})
    spec = FeatureSpec(dim=encoder.dim, dtype=specs.dtype, compression=compression)
    features = dict.fromkeys(specs.layers, spec)
    if encoder.kind == "text":
        features[TOKEN_IDS] = FeatureSpec(dim=None, dtype="int32", compression=compression)
    return GroupPlan(
        name=encoder.name,
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
) -> GroupPlan:
    """Plan the group that `pool` would write."""
    names = [*specs.layers, *([WORD] if encoder.kind == "text" else [])]
    shard = min(max(len(lengths) // MIN_SHARDS, 32), UTTERANCES_PER_SHARD)
    return functionals_plan(
        encoder.name, dict.fromkeys(names, encoder.dim), lengths, provenance
    ).model_copy(update={"cut": (shard, shard)})
