import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tokser.encoders.batch_shapes import MAX_WASTE, fixed_shape_batches, group_near_equal

LENGTHS = st.lists(st.integers(1, 300_000), max_size=60)


@given(lengths=LENGTHS, budget=st.integers(1, 1_000_000), waste=st.floats(0, 0.9))
def test_every_utterance_is_in_one_group_within_budget_and_waste(lengths, budget, waste):
    groups = group_near_equal(lengths, budget, max_waste=waste)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    for group in groups:
        padded = max(lengths[i] for i in group) * len(group)
        assert len(group) == 1 or padded <= budget
        assert sum(lengths[i] for i in group) >= (1 - waste) * padded - 1e-6


@given(lengths=LENGTHS)
def test_the_longest_come_first(lengths):
    flat = [lengths[i] for group in group_near_equal(lengths, 480_000) for i in group]
    assert flat == sorted(lengths, reverse=True)


def test_equal_lengths_fill_the_budget():
    assert list(map(len, group_near_equal([10] * 7, 30))) == [3, 3, 1]


def test_waste_is_what_padding_takes_of_the_whole():
    # 100 and 90 in one batch: 10 of 200 is padding.
    assert MAX_WASTE == 0.05
    assert group_near_equal([100, 90], 1_000) == [[0, 1]]
    assert group_near_equal([100, 89], 1_000) == [[0], [1]]


@given(
    given=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=40),
    num_rows=st.integers(1, 5),
)
def test_shape_and_row_of_a_sequence_follow_from_it_alone(given, num_rows):
    sequences = [np.array(one, dtype=np.int32) for one in given]
    batches, rows = fixed_shape_batches(sequences, num_rows)
    assert all(len(batch) == num_rows for batch in batches)
    for one, row in zip(sequences, rows, strict=True):
        batch = batches[row // num_rows]
        np.testing.assert_array_equal(batch[row % num_rows], one)
        (alone,), (there,) = fixed_shape_batches([one], num_rows)
        assert batch.shape == alone.shape
        assert row % num_rows == there
    distinct = {tuple(one) for one in given}
    assert len(set(rows)) == len(distinct)
    if num_rows == 1:
        assert len(batches) == len(distinct)
