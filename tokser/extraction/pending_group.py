"""A group of a store that lacks shards, and all that computing them takes."""

from collections.abc import Callable
from dataclasses import dataclass

from tokser.extraction.extractor import Extractor
from tokser.extraction.load_batches import Utterances
from tokser.extraction.progress import ProgressReporter
from tokser.store import Claims, GroupWriter

__all__ = ["PendingGroup"]


@dataclass(frozen=True)
class PendingGroup:
    """A group of a store that lacks shards.

    Attributes:
        extractor: The encoder and its features.
        group: Where shards are committed.
        claims: Shards to take.
        utterances_of: Returns the utterances of a shard.
        reporter: Counts what is done.
    """

    extractor: Extractor
    group: GroupWriter
    claims: Claims
    utterances_of: Callable[[int], Utterances]
    reporter: ProgressReporter

    @property
    def next_position(self) -> int:
        """Place in the store's order where its next shard begins."""
        shard = self.claims.next_waiting
        return -1 if shard is None else int(self.group.layout.utterances(shard)[0])

    def done_elsewhere(self, shard: int) -> None:
        """Note that another process has computed a shard."""
        self.claims.release(shard)
        utterances = self.utterances_of(shard)
        if utterances.shared is not None:
            utterances.shared.leave_out(utterances.ids[place] for place in utterances.usable)
        self.reporter.done_elsewhere(len(utterances.ids))
