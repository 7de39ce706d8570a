"""Prefetch, the first part of the extraction pipeline: batches are read ahead of the encoder.

How it works: shards are claimed one after the other, and their utterances grouped into batches.
A few threads read and prepare the next batches (decoding, resampling, log-mel) while the encoder
computes, so up to `2 * threads + 1` batches are in memory. Batches are yielded in the order in
which they were begun, whichever thread finishes first. A shard is claimed when its first batch is
about to be read, and released by whoever commits it. Of several groups, the next shard is that of
the one that is least far in the corpus: then the others find its recordings decoded.

What must never happen: a batch with utterances of two shards (a shard's bits would depend on its
neighbour); more batches in memory than the bound (memory would follow the corpus); a shard
claimed long before it is computed (other processes would wait for it); an error in a thread that
is lost (it is raised where the batch would have been yielded).
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tokser.device import keep_to_one_thread
from tokser.extraction.load_batches import LoadedBatch, group_into_batches, load_batch
from tokser.extraction.pending_group import PendingGroup
from tokser.extraction.shard_builder import ShardBuilder
from tokser.store.claims import POLL_S, Claim
from tokser.threads import num_threads

__all__ = ["prefetch"]

MAX_THREADS = 8


def prefetch(
    groups: Sequence[PendingGroup],
    on_idle: Callable[[], None] = lambda: None,
) -> Generator[tuple[ShardBuilder, LoadedBatch | None], None, None]:
    """Yield batch after batch of shard after shard, the next ones being read meanwhile.

    Args:
        groups: What lacks shards.
        on_idle: Called before waiting for other processes, which may wait for our shards.

    Yields:
        The builder of a shard, and a batch of it; None if the shard needs no batch.
    """
    num_readers = max(1, min(MAX_THREADS, num_threads() - 1))
    ahead: deque[tuple[ShardBuilder, Future[LoadedBatch] | None]] = deque()
    batches = _batches(groups)
    pool = ThreadPoolExecutor(num_readers, "prefetch", initializer=keep_to_one_thread)
    try:
        while True:
            while len(ahead) <= 2 * num_readers and (batch := next(batches)) is not None:
                builder, places = batch
                future = None
                if places:
                    future = pool.submit(
                        load_batch, builder.extractor.encoder, builder.utterances, places
                    )
                ahead.append((builder, future))
            if ahead:
                builder, future = ahead.popleft()
                yield builder, None if future is None else future.result()
            elif any(one.claims.num_waiting for one in groups):
                on_idle()
                time.sleep(POLL_S)  # other processes compute the shards that are left
            else:
                return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _batches(
    groups: Sequence[PendingGroup],
) -> Iterator[tuple[ShardBuilder, list[int]] | None]:
    """Yield the places of every batch, endlessly; None while no shard can be claimed."""
    while True:
        taken = _take(groups)
        if taken is None:
            yield None
            continue
        group, claim = taken
        if not claim.features:
            group.done_elsewhere(claim.shard)
            continue
        builder = ShardBuilder(claim.shard, claim.features, group.utterances_of(claim.shard), group)
        batches: list[list[int]] = []
        if builder.layers:
            extractor = group.extractor
            batches = group_into_batches(
                extractor.encoder, builder.utterances, extractor.batch_seconds
            )
        builder.num_batches_left = len(batches)
        for places in batches or [[]]:
            yield builder, places


def _take(groups: Sequence[PendingGroup]) -> tuple[PendingGroup, Claim] | None:
    """Take a shard of the group that is least far; None if others compute all that are left."""
    waiting = [one for one in groups if one.claims.num_waiting]
    if len(waiting) > 1:
        waiting.sort(key=lambda one: one.next_position)
    for group in waiting:
        claim = group.claims.take()
        if claim is not None:
            return group, claim
    return None
