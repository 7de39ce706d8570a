"""What utterances cost an encoder relative to each other, and which shards to begin with."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.extraction.plan import ExtractionPlan
from tokser.store.layout import Layout, PartedLayout

__all__ = ["longest_first", "utterance_costs"]


def utterance_costs(plan: ExtractionPlan) -> NDArray[np.float64]:
    """Return the cost of each utterance, [utterances]: padded seconds of audio, or tokens.

    Of those without rows it is 0.
    """
    if plan.encoder.kind == "text":
        return plan.rows.lengths.astype(np.float64)
    seconds = plan.num_samples / SAMPLING_RATE_HZ
    window_s = plan.encoder.provenance().get("window_s")
    padded = np.ceil(seconds / window_s) * window_s if window_s else seconds
    return np.where(plan.rows.lengths > 0, padded, 0.0)


def longest_first(
    costs: NDArray[np.float64], layout: Layout | PartedLayout, shards: Iterable[int]
) -> list[int]:
    """Order shards by cost, the dearest first: at the end workers wait for a cheap one.

    Shards have about as many rows as each other, but not the same cost: where windows are padded,
    one with many short utterances costs several times as much.

    Args:
        costs: Cost of each utterance, [utterances].
        layout: Where they lie in shards.
        shards: Numbers of the shards.
    """
    of_shard = {shard: float(costs[layout.utterances(shard)].sum()) for shard in shards}
    return sorted(of_shard, key=lambda shard: -of_shard[shard])
