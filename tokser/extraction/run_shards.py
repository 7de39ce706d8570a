"""The extraction pipeline: shards are read, computed and committed, each in threads of its own.

How it works: three parts run at the same time. `prefetch` claims shards and reads their batches in
a few threads; `BatchEncoder` runs the encoder, on a GPU in the calling thread, on a CPU in as many
threads as may compute; `Committer` fetches outputs in one thread and writes full shards in another.
Each part waits for the next one when it is too far ahead, so memory follows from the sizes of a
batch and a shard and the number of threads, not from the corpus.

Several encoders share all of this: `prefetch` takes the next shard of the group that is least far
in the corpus, so that a recording is decoded once for all of them.

What must never happen: a main thread that computes and waits for nothing (Ctrl-C and SIGTERM reach
it only, between two batches); a thread or a claim that is left behind, however the
run ends; anything in the store but complete shards.
"""

from collections.abc import Sequence
from contextlib import ExitStack, closing

from tokser.extraction.batch_encoder import BatchEncoder
from tokser.extraction.commit import Committer
from tokser.extraction.pending_group import PendingGroup
from tokser.extraction.prefetch import prefetch

__all__ = ["run_shards"]


def run_shards(groups: Sequence[PendingGroup]) -> None:
    """Compute and commit the shards of one encoder's group, or of several at once.

    When it is stopped, by an error or by Ctrl-C, full shards are committed all the same, and
    nothing else is; all threads have ended then, and all claims are released.

    Args:
        groups: What lacks shards.
    """
    with ExitStack() as stack:
        for one in groups:
            stack.enter_context(one.claims)
        committer = stack.enter_context(Committer())
        encoder = stack.enter_context(BatchEncoder(committer.submit))
        for builder, loaded in stack.enter_context(closing(prefetch(groups, encoder.finish))):
            encoder.submit(builder, builder.extractor, loaded, builder.layers)
        encoder.finish()
        committer.finish()
