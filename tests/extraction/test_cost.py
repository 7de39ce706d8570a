import numpy as np

from tokser.extraction.cost import longest_first
from tokser.store.layout import pack_into


def test_shards_are_ordered_by_cost_not_by_rows():
    layout = pack_into(np.array([10, 10, 5, 5, 5, 5, 20, 0]), 20, 5)
    windows = np.array([30.0, 30, 30, 30, 30, 30, 30, 0])
    assert longest_first(windows, layout, [0, 1, 2]) == [1, 0, 2]


def test_only_the_shards_that_are_named_are_ordered():
    layout = pack_into(np.array([4, 4, 4]), 4, 4)
    assert longest_first(np.array([1.0, 2.0, 3.0]), layout, [0, 2]) == [2, 0]
