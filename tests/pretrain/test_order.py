import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.pretrain.order import bucketed_batches, in_order, part_of, shard_batches


@given(
    count=st.integers(1, 70),
    batch_size=st.integers(1, 20),
    seed=st.integers(0, 99),
    epoch=st.integers(0, 99),
)
@settings(max_examples=50, deadline=None)
def test_an_epoch_has_every_utterance_once(count, batch_size, seed, epoch):
    ids = [f"u{i}" for i in range(count)]
    lengths = {name: place for place, name in enumerate(ids)}
    batches = bucketed_batches(ids, lengths, batch_size=batch_size, seed=seed, epoch=epoch)
    assert sorted(u for batch in batches for u in batch) == sorted(ids)
    sizes = sorted(map(len, batches), reverse=True)
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
    assert 1 <= sizes[-1] <= batch_size


def test_order_depends_on_seed_and_epoch_alone():
    ids = [f"u{i}" for i in range(40)]
    lengths = {name: place for place, name in enumerate(ids)}

    def order(seed, epoch):
        batches = bucketed_batches(ids, lengths, batch_size=4, seed=seed, epoch=epoch)
        return [list(batch) for batch in batches]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_batches_hold_utterances_of_similar_length():
    ids = [f"u{i}" for i in range(200)]
    lengths = pd.Series(np.random.default_rng(0).permutation(200), index=ids)
    for batch in bucketed_batches(ids, lengths.to_dict(), batch_size=10, seed=0, epoch=0):
        assert lengths[batch].max() - lengths[batch].min() < 10


def test_little_of_a_batch_is_padding_at_librispeechs_lengths():
    # 1.3 to 24.5 s, most of them 12 to 16 s, as in train-clean-100; 50 frames a second.
    seconds = np.random.default_rng(0).triangular(1.3, 15, 24.5, 5_000)
    lengths = pd.Series((50 * seconds).astype(int), index=[f"u{i}" for i in range(5_000)])
    batches = bucketed_batches(
        list(lengths.index), lengths.to_dict(), batch_size=64, seed=0, epoch=0
    )
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert 1 - lengths.sum() / padded < 0.05


def test_in_order_keeps_the_order_and_the_rest():
    assert list(in_order(list("abcde"), 2)) == [["a", "b"], ["c", "d"], ["e"]]


def corpus(num_shards: int, per_shard: int):
    shard_of = {f"u{s}-{i}": s for s in range(num_shards) for i in range(per_shard)}
    lengths = {name: (7 * place) % 31 + 1 for place, name in enumerate(shard_of)}
    return list(shard_of), lengths, shard_of


@given(
    num_shards=st.integers(1, 7),
    per_shard=st.integers(1, 9),
    batch_size=st.integers(1, 8),
    at_once=st.integers(1, 4),
    epoch=st.integers(0, 9),
)
@settings(max_examples=50, deadline=None)
def test_shard_by_shard_an_epoch_has_every_utterance_once(
    num_shards, per_shard, batch_size, at_once, epoch
):
    ids, lengths, shard_of = corpus(num_shards, per_shard)
    options = {"batch_size": batch_size, "seed": 0, "epoch": epoch, "shards_at_once": at_once}
    batches = shard_batches(ids, lengths, shard_of, **options)
    assert sorted(name for batch in batches for name in batch) == sorted(ids)
    assert sum(len(batch) < batch_size for batch in batches) <= 1
    assert batches == shard_batches(ids, lengths, shard_of, **options)


def test_shard_order_mixes_a_few_shards_at_a_time():
    ids, lengths, shard_of = corpus(12, 40)
    batches = shard_batches(ids, lengths, shard_of, batch_size=8, seed=0, epoch=0, shards_at_once=3)
    seen = [[shard_of[name] for name in batch] for batch in batches]
    for first in range(0, len(seen), 15):  # three shards of 40 are 15 batches
        assert len({shard for batch in seen[first : first + 15] for shard in batch}) == 3
    assert np.mean([len(set(batch)) for batch in seen]) > 2
    other = shard_batches(ids, lengths, shard_of, batch_size=8, seed=0, epoch=1, shards_at_once=3)
    assert [shard_of[batch[0]] for batch in other] != [batch[0] for batch in seen]


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), num_ranks=st.integers(1, 4))
def test_shares_of_processes_are_disjoint_and_complete(sizes, num_ranks):
    batches = [[f"b{b}u{i}" for i in range(size)] for b, size in enumerate(sizes)]
    ids = sorted(name for batch in batches for name in batch)
    if len(ids) < num_ranks:
        return
    parts = [part_of(batches, rank, num_ranks) for rank in range(num_ranks)]
    assert len({len(part) for part in parts}) == 1
    assert all(batch for part in parts for batch in part)
    assert sorted(name for part in parts for batch in part for name in batch) == ids
    for together in zip(*parts, strict=True):
        counts = [len(batch) for batch in together]
        assert max(counts) - min(counts) <= 1


def test_fewer_utterances_than_processes_cannot_be_parted():
    with pytest.raises(ValueError, match="1 utterances for 2 processes"):
        part_of([["a"]], 0, 2)
