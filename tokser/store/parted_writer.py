"""Writing a group that grew: each part by a writer of its own, shards counted over all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokser.provenance import digest_of
from tokser.store.claims import Claims
from tokser.store.group_writer import GroupWriter
from tokser.store.journal import JournalEntry, Recording
from tokser.store.layout import PartedLayout

__all__ = ["PartedGroupWriter"]


class PartedGroupWriter(GroupWriter):
    """Commits the shards of all parts of a group.

    Rows are given for the utterances that `layout.utterances` names; those of utterances that
    were removed, or that a later part holds, become zeros.

    Args:
        writers: Of the parts, oldest first.
        layout: Where each utterance of the table lies.
    """

    def __init__(self, writers: Sequence[GroupWriter], layout: PartedLayout) -> None:
        self._writers: list[GroupWriter] = list(writers)
        self.layout = layout
        self._plan, self._backend = writers[0]._plan, writers[0]._backend

    @property
    def identity(self) -> str:
        """Digest of what the group is: the manifest, and all its features in all parts."""
        return digest_of([writer.identity for writer in self._writers])

    def pending(self) -> dict[int, list[str]]:
        """Return the planned features that each shard still lacks, by shard."""
        firsts = self.layout.first_shards.tolist()
        return {
            first + shard: features
            for first, writer in zip(firsts, self._writers, strict=False)
            for shard, features in writer.pending().items()
        }

    def claim(self, shards: Iterable[int]) -> Claims:
        """Return claims on shards, of which several can be held at once."""

        def of(shard: int) -> tuple[GroupWriter, int]:
            part, local = self.layout.locate(shard)
            return self._writers[part], local

        return Claims(
            shards,
            lambda shard: of(shard)[0].lock(of(shard)[1]),
            lambda shard: of(shard)[0].lacking(of(shard)[1]),
        )

    def commit(
        self,
        shard: int,
        rows: Mapping[str, Sequence[NDArray[Any] | None]],
        quarantined: Mapping[str, str],
        recordings: Sequence[Recording] = (),
    ) -> dict[str, JournalEntry]:
        """Write one whole shard, see `GroupWriter.commit`."""
        part, local = self.layout.locate(shard)
        writer: GroupWriter = self._writers[part]
        first, after = writer.part_layout.shard_utterances(local)
        places = (self.layout.place_of[self.layout.utterances(shard)] - first).tolist()
        whole = {name: _spread(blocks, places, after - first) for name, blocks in rows.items()}
        known = _spread(recordings, places, after - first) if recordings else []
        return writer.commit(local, whole, quarantined, [one or Recording("", 0) for one in known])

    def lookup_keys(self, name: str) -> NDArray[np.int32] | None:
        """Return the keys of a lookup feature, None if the group has none of this name."""
        return self._writers[0].lookup_keys(name)

    def put_lookup(
        self, name: str, *, ids: str, keys: NDArray[np.int32], table: NDArray[Any]
    ) -> None:
        """Write a lookup feature, or replace it."""
        self._writers[0].put_lookup(name, ids=ids, keys=keys, table=table)


def _spread(values: Sequence[Any], places: Sequence[int], count: int) -> list[Any]:
    """Put values at their places among `count`, None elsewhere."""
    found: list[Any] = [None] * count
    for place, value in zip(places, values, strict=True):
        found[place] = value
    return found
