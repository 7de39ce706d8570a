"""The extraction pipeline: shards are read, computed and committed, each in threads of its own.

How it works: three parts run at the same time. `prefetch` claims shards and reads their batches in
a few threads; the encoder runs here, in the calling thread; `Committer` fetches outputs in one
thread and writes full shards in another. Each part waits for the next one when it is too far
ahead, so memory follows from the sizes of a batch and a shard, not from the corpus.

What must never happen: the encoder in another thread than the caller's (Ctrl-C and SIGTERM reach
the main thread only, between two batches); a thread or a claim that is left behind, however the
run ends; anything in the store but complete shards.
"""

from collections.abc import Callable
from contextlib import closing

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
        closing(prefetch(extractor, claims, utterances_of, on_done_elsewhere)) as batches,
    ):
        for builder, loaded in batches:
            output = None if loaded is None else extractor.forward(loaded, builder.layers)
            committer.submit(builder, loaded, output)
        committer.finish()
