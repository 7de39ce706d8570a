"""What utterances cost an encoder relative to each other, and which shards to begin with."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tokser.corpora.waveform import SAMPLING_RATE_HZ
from tokser.extraction.plan import ExtractionPlan
from tokser.store import GroupWriter

__all__ = ["longest_first", "utterance_costs"]


def utterance_costs(plan: ExtractionPlan) -> NDArray[np.float64]:
    """Return the cost of each utterance, [utterances]: padded seconds of audio, or tokens."""
    if plan.encoder.kind == "text":
        return plan.rows.lengths.astype(np.float64)
    seconds = plan.num_samples / SAMPLING_RATE_HZ
    window_s = plan.encoder.provenance().get("window_s")
    return np.ceil(seconds / window_s) * window_s if window_s else seconds


def longest_first(plan: ExtractionPlan, group: GroupWriter, shards: Iterable[int]) -> list[int]:
    """Order shards by cost, the dearest first: at the end workers wait for a cheap one.

    Shards have about as many rows as each other, but not the same cost: where windows are padded,
    one with many short utterances costs several times as much.

    Args:
        plan: What is computed.
        group: Where its utterances lie in shards.
        shards: Their numbers.
    """
    costs = np.where(plan.rows.lengths > 0, utterance_costs(plan), 0.0)
    of_shard = {shard: float(costs[group.layout.utterances(shard)].sum()) for shard in shards}
    return sorted(of_shard, key=lambda shard: -of_shard[shard])
