"""The order of training utterances: shuffled by seed and epoch, batched by similar length."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

__all__ = ["bucketed_batches", "in_order", "part_of", "shard_batches"]

STRETCH = 50
"""Batches within whose utterances those of similar length are put together."""


def bucketed_batches(
    ids: Sequence[str], lengths: Mapping[str, int], *, batch_size: int, seed: int, epoch: int
) -> list[list[str]]:
    """Shuffle utterances into batches of similar length.

    Shuffled again by seed and epoch over all of them; within stretches of 50 batches utterances
    are sorted by length, and the batches are shuffled again. The last one may be smaller.

    Args:
        ids: Utterances.
        lengths: Frames of each.
        batch_size: Utterances in a batch.
        seed: Of the run.
        epoch: From 0 on.
    """
    rng = np.random.default_rng([seed, epoch])
    batches = list(_cut(rng, ids, lengths, batch_size))
    return [batches[i] for i in rng.permutation(len(batches))]


def shard_batches(
    ids: Sequence[str],
    lengths: Mapping[str, int],
    shard_of: Mapping[str, int],
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    shards_at_once: int,
) -> list[list[str]]:
    """Shuffle like `bucketed_batches`, but within a few shards at a time.

    Shards are drawn in random order, and mixed `shards_at_once` at a time: a disk or a
    bucket then reads a few files from end to end, while the negatives of a token come from the
    utterances of these shards only. Utterances lie in shards in the corpus's order, speaker by
    speaker, so a batch sees fewer speakers: take as many shards as fit into memory.

    Args:
        ids: Utterances.
        lengths: Frames of each.
        shard_of: Shard of each.
        batch_size: Utterances in a batch.
        seed: Of the run.
        epoch: From 0 on.
        shards_at_once: Shards that are mixed.
    """
    rng = np.random.default_rng([seed, epoch])
    members: dict[int, list[str]] = {}
    for name in ids:
        members.setdefault(shard_of[name], []).append(name)
    shards = [sorted(members)[i] for i in rng.permutation(len(members))]
    batches: list[list[str]] = []
    rest: list[str] = []
    for first in range(0, len(shards), shards_at_once):
        pool = rest + [
            name for shard in shards[first : first + shards_at_once] for name in members[shard]
        ]
        is_last = first + shards_at_once >= len(shards)
        # What does not fill a batch is mixed into the next shards.
        kept = len(pool) if is_last else len(pool) - len(pool) % batch_size
        mixed = [pool[i] for i in rng.permutation(len(pool))]
        found = list(_cut(rng, mixed[:kept], lengths, batch_size))
        batches += [found[i] for i in rng.permutation(len(found))]
        rest = mixed[kept:]
    return batches


def part_of(batches: Sequence[Sequence[str]], rank: int, num_ranks: int) -> list[list[str]]:
    """Return one process's share of every batch; the shares are disjoint and complete.

    Every process gets as many batches. Utterances of a batch are dealt out in turn, so that lengths
    are similar on every process. A batch with fewer utterances than there are processes joins its
    neighbour.

    Raises:
        ValueError: There are fewer utterances than processes.
    """
    whole: list[list[str]] = []
    for batch in batches:
        if whole and min(len(batch), len(whole[-1])) < num_ranks:
            whole[-1] += batch
        else:
            whole.append(list(batch))
    if whole and len(whole[-1]) < num_ranks:
        raise ValueError(f"{len(whole[-1])} utterances for {num_ranks} processes")
    return [batch[rank::num_ranks] for batch in whole]


def in_order(ids: Sequence[str], batch_size: int) -> Iterator[list[str]]:
    """Cut utterances into batches without shuffling."""
    for first in range(0, len(ids), batch_size):
        yield list(ids[first : first + batch_size])


def _cut(
    rng: np.random.Generator, ids: Sequence[str], lengths: Mapping[str, int], batch_size: int
) -> Iterator[list[str]]:
    order = rng.permutation(np.asarray(ids, dtype=object))
    stretch = STRETCH * batch_size
    for first in range(0, len(order), stretch):
        part = sorted(order[first : first + stretch], key=lengths.__getitem__)
        yield from in_order(part, batch_size)
