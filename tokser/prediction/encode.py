"""Utterances through an encoder: batches are read ahead of it, outputs fetched one batch behind."""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from tokser.device import keep_to_one_thread
from tokser.encoders.base import PendingOutput, StoredRows
from tokser.errors import RunError
from tokser.extraction.batch_encoder import BatchEncoder
from tokser.extraction.extractor import Extractor
from tokser.extraction.load_batches import LoadedBatch, Utterances, group_into_batches, load_batch
from tokser.extraction.prefetch import MAX_THREADS
from tokser.store.overflow import all_finite, require_finite
from tokser.threads import num_threads

__all__ = ["EncodedBatch", "encode_ahead"]


class EncodedBatch(NamedTuple):
    """What an encoder computed of a batch.

    Attributes:
        rows: Rows [rows, dim] of each utterance by layer, in the stored dtype, by place.
        quarantined: Why some have none, by place.
    """

    rows: dict[int, StoredRows]
    quarantined: dict[int, str]


def encode_ahead(
    extractor: Extractor, utterances: Utterances, layers: Sequence[int]
) -> Generator[EncodedBatch, None, None]:
    """Yield batch after batch, grouped, read and computed as at extraction.

    A few threads read and prepare the next batches while the encoder computes; on a GPU an output
    is fetched after the next batch was begun.

    Args:
        extractor: The encoder.
        utterances: The utterances.
        layers: Numbers of the layers.
    """
    batches = group_into_batches(extractor.encoder, utterances, extractor.batch_seconds)
    num_readers = max(1, min(MAX_THREADS, num_threads() - 1, len(batches)))
    ahead: deque[Future[LoadedBatch]] = deque()
    begun: deque[tuple[LoadedBatch, PendingOutput | None]] = deque()
    pool = ThreadPoolExecutor(num_readers, "prefetch", initializer=keep_to_one_thread)
    waiting = deque(batches)
    load = partial(load_batch, extractor.encoder, utterances)

    def keep(_: None, loaded: LoadedBatch | None, output: PendingOutput | None) -> None:
        if loaded is not None:
            begun.append((loaded, output))

    try:
        with BatchEncoder(keep) as encoder:
            while waiting or ahead:
                while waiting and len(ahead) <= 2 * num_readers:
                    ahead.append(pool.submit(load, waiting.popleft()))
                encoder.submit(None, extractor, ahead.popleft().result(), layers)
                while len(begun) > 1:
                    yield _fetched(utterances, *begun.popleft())
            encoder.finish()
        while begun:
            yield _fetched(utterances, *begun.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _fetched(
    utterances: Utterances, loaded: LoadedBatch, output: PendingOutput | None
) -> EncodedBatch:
    """Fetch an output; an utterance whose values the stored dtype cannot hold is quarantined."""
    found = EncodedBatch({}, dict(loaded.quarantined))
    if output is None:
        return found
    for number, (place, rows) in enumerate(zip(loaded.places, output.fetch(), strict=True)):
        try:
            for layer, block in rows.items():
                if not all_finite(block):
                    where = f"layer {layer}, {utterances.ids[place]}"
                    require_finite(block, output.before_cast(number, layer), where)
        except RunError as error:
            found.quarantined[place] = str(error)
        else:
            found.rows[place] = rows
    return found
