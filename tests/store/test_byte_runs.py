"""Runs of bytes: what every list of ranges must satisfy."""

from hypothesis import given
from hypothesis import strategies as st

from tokser.store.byte_runs import join_ranges

SPANS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 60)), max_size=20)


@given(spans=SPANS, gap=st.integers(0, 50), most=st.integers(1, 200))
def test_every_range_lies_whole_in_one_run(spans, gap, most):
    ranges = [(first, first + size) for first, size in spans]
    runs = join_ranges(ranges, gap, most)
    assert sorted(place for run in runs for place in run.members) == list(range(len(ranges)))
    for run in runs:
        inside = sorted(ranges[place] for place in run.members)
        assert (run.first, run.after) == (inside[0][0], max(after for _, after in inside))
        assert len(inside) == 1 or run.after - run.first <= most
        reached = run.first
        for first, after in inside:
            assert first - reached <= gap
            reached = max(reached, after)


@given(spans=SPANS)
def test_without_limits_neighbours_are_one_request(spans):
    ranges = [(first, first + size) for first, size in spans]
    assert len(join_ranges(ranges, gap=10**9, most=10**9)) == min(len(ranges), 1)


def test_what_is_far_apart_or_too_much_is_several():
    ranges = [(30, 40), (0, 10), (12, 20)]
    assert [run.members for run in join_ranges(ranges, gap=2, most=100)] == [[1, 2], [0]]
    assert [run.members for run in join_ranges(ranges, gap=10, most=100)] == [[1, 2, 0]]
    assert [run.members for run in join_ranges(ranges, gap=10, most=20)] == [[1, 2], [0]]
    assert [run.members for run in join_ranges([(0, 90)], most=20)] == [[0]]
