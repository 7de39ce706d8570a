"""Prefetch, the first part of the extraction pipeline: batches are read ahead of the encoder.

How it works: shards are claimed one after the other, and their utterances grouped into batches.
A few threads read and prepare the next batches (decoding, resampling, log-mel) while the encoder
computes, so up to `2 * threads + 1` batches are in memory. Batches are yielded in the order in
which they were begun, whichever thread finishes first. A shard is claimed when its first batch is
about to be read, and released by whoever commits it.

What must never happen: a batch with utterances of two shards (a shard's bits would depend on its
neighbour); more batches in memory than the bound (memory would follow the corpus); a shard
claimed long before it is computed (other processes would wait for it); an error in a thread that
is lost (it is raised where the batch would have been yielded).
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from tokser.device import keep_to_one_thread
from tokser.extraction.extractor import Extractor
from tokser.extraction.load_batches import LoadedBatch, Utterances, group_into_batches, load_batch
from tokser.extraction.shard_builder import ShardBuilder
from tokser.store import Claims
from tokser.store.claims import POLL_S
from tokser.threads import num_threads

__all__ = ["prefetch"]

MAX_THREADS = 8


def prefetch(
    extractor: Extractor,
    claims: Claims,
    utterances_of: Callable[[int], Utterances],
    on_done_elsewhere: Callable[[int], None],
    on_idle: Callable[[], None] = lambda: None,
) -> Generator[tuple[ShardBuilder, LoadedBatch | None], None, None]:
    """Yield batch after batch of shard after shard, the next ones being read meanwhile.

    Args:
        extractor: Determines how utterances are grouped and read.
        claims: Shards to take.
        utterances_of: Returns the utterances of a shard.
        on_done_elsewhere: Called with a shard that another process has computed in the meantime.
        on_idle: Called before waiting for other processes, which may wait for our shards.

    Yields:
        The builder of a shard, and a batch of it; None if the shard needs no batch.
    """
    num_readers = max(1, min(MAX_THREADS, num_threads() - 1))
    ahead: deque[tuple[ShardBuilder, Future[LoadedBatch] | None]] = deque()
    batches = _batches(extractor, claims, utterances_of, on_done_elsewhere)
    pool = ThreadPoolExecutor(num_readers, "prefetch", initializer=keep_to_one_thread)
    try:
        while True:
            while len(ahead) <= 2 * num_readers and (batch := next(batches)) is not None:
                builder, places = batch
                future = None
                if places:
                    future = pool.submit(load_batch, extractor.encoder, builder.utterances, places)
                ahead.append((builder, future))
            if ahead:
                builder, future = ahead.popleft()
                yield builder, None if future is None else future.result()
            elif claims.num_waiting:
                on_idle()
                time.sleep(POLL_S)  # other processes compute the shards that are left
            else:
                return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _batches(
    extractor: Extractor,
    claims: Claims,
    utterances_of: Callable[[int], Utterances],
    on_done_elsewhere: Callable[[int], None],
) -> Iterator[tuple[ShardBuilder, list[int]] | None]:
    """Yield the places of every batch, endlessly; None while no shard can be claimed."""
    while True:
        claim = claims.take()
        if claim is None:
            yield None
        elif not claim.features:
            claims.release(claim.shard)
            on_done_elsewhere(claim.shard)
        else:
            builder = ShardBuilder(
                claim.shard, claim.features, utterances_of(claim.shard), extractor
            )
            batches: list[list[int]] = []
            if builder.layers:
                batches = group_into_batches(
                    extractor.encoder, builder.utterances, extractor.batch_seconds
                )
            builder.num_batches_left = len(batches)
            for places in batches or [[]]:
                yield builder, places
