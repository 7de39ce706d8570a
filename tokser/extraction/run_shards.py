"""The extraction pipeline: shards are read, computed and committed, each in threads of its own.

How it works: three parts run at the same time. `prefetch` claims shards and reads their batches in
a few threads; `BatchEncoder` runs the encoder, on a GPU in the calling thread, on a CPU in as many
threads as may compute; `Committer` fetches outputs in one thread and writes full shards in another.
Each part waits for the next one when it is too far ahead, so memory follows from the sizes of a
batch and a shard and the number of threads, not from the corpus.

What must never happen: a main thread that computes and waits for nothing (Ctrl-C and SIGTERM reach
it only, between two batches); a thread or a claim that is left behind, however the
run ends; anything in the store but complete shards.
"""

from collections.abc import Callable
from contextlib import closing

from tokser.extraction.batch_encoder import BatchEncoder
from tokser.extraction.commit import Committer
from tokser.extraction.extractor import Extractor
from tokser.extraction.load_batches import Utterances
from tokser.extraction.prefetch import prefetch
from tokser.extraction.progress import ProgressReporter
from tokser.store import Claims, GroupWriter

__all__ = ["run_shards"]


def run_shards(
    extractor: Extractor,
    group: GroupWriter,
    claims: Claims,
    utterances_of: Callable[[int], Utterances],
    reporter: ProgressReporter,
) -> None:
    """Compute and commit shards.

    When it is stopped, by an error or by Ctrl-C, full shards are committed all the same, and
    nothing else is; all threads have ended then, and all claims are released.

    Args:
        extractor: The encoder and its features.
        group: Where they are committed.
        claims: Shards to take.
        utterances_of: Returns the utterances of a shard.
        reporter: Counts what is done.
    """

    def on_done_elsewhere(shard: int) -> None:
        reporter.done_elsewhere(len(group.layout.utterances(shard)))

    with (
        claims,
        Committer(group, claims, reporter) as committer,
        BatchEncoder(extractor, committer.submit) as encoder,
        closing(
            prefetch(extractor, claims, utterances_of, on_done_elsewhere, encoder.finish)
        ) as batches,
    ):
        for builder, loaded in batches:
            encoder.submit(builder, loaded, builder.layers)
        encoder.finish()
        committer.finish()
