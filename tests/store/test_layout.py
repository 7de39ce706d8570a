import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tokser.store.layout import CHUNK_BYTES, MIN_SHARDS, pack

lengths = st.lists(st.integers(0, 400), min_size=1, max_size=60).map(np.array)


@given(lengths=lengths, shard_rows=st.integers(1, 900))
def test_utterances_never_overlap_nor_straddle_shards(lengths, shard_rows):
    layout = pack(lengths, {"a": 16, "b": 48}, shard_rows * 64)
    taken = np.zeros(layout.num_rows, dtype=int)
    for start, length in zip(layout.row_starts, layout.row_lengths, strict=True):
        taken[start : start + length] += 1
        if length:
            last = start + length - 1
            assert start // layout.rows_per_shard == last // layout.rows_per_shard
    assert taken.max(initial=0) <= 1
    assert taken.sum() == lengths.sum()


@given(lengths=lengths, shard_rows=st.integers(1, 900))
def test_shards_share_out_all_utterances_and_rows(lengths, shard_rows):
    layout = pack(lengths, {"a": 64}, shard_rows * 64)
    spans = [layout.shard_utterances(shard) for shard in range(layout.num_shards)]
    if spans:
        assert spans[0][0] == 0
        assert spans[-1][1] == len(lengths)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    for shard, (first, after) in enumerate(spans):
        first_row, after_row = layout.shard_rows(shard)
        inside = slice(first, after)
        assert (layout.row_starts[inside] >= first_row).all()
        assert (layout.row_starts[inside] + layout.row_lengths[inside] <= after_row).all()


def test_a_shard_keeps_to_its_budget_over_all_arrays():
    layout = pack(np.full(1_000, 500), {"layer-0": 1_024, "layer-1": 1_024}, 16 * 2**20)
    assert layout.num_shards > MIN_SHARDS
    assert layout.rows_per_shard * 2_048 <= 16 * 2**20 + layout.rows_per_chunk * 2_048
    assert layout.rows_per_chunk * 1_024 == CHUNK_BYTES


def test_the_longest_utterance_sets_the_least_shard():
    layout = pack(np.array([3, 5_000, 2]), {"a": 1_024}, 1_024)
    assert layout.rows_per_shard >= 5_000


def test_a_small_corpus_is_cut_so_that_a_stop_loses_little():
    layout = pack(np.full(535, 100), {"layer-6": 1_024}, 256 * 2**20)
    assert MIN_SHARDS // 2 <= layout.num_shards <= 2 * MIN_SHARDS
