import gc
import threading

import numpy as np
import pytest
import torch

from tokser.pretrain.buffers import Buffers

HALF = np.dtype(np.float16)


def place(array) -> int:
    return array.__array_interface__["data"][0]


@pytest.mark.slow
def test_memory_comes_back_when_nothing_looks_at_it_any_more():
    buffers = Buffers()
    first = buffers.take((10, 4), HALF)
    where = place(first)
    assert (first.shape, first.dtype) == ((10, 4), HALF)
    for keeps in (
        lambda array: array[2:],
        lambda array: array.T[1:],
        torch.from_numpy,
        lambda array: torch.from_numpy(array)[None, 3:],
    ):
        view = keeps(first)
        del first
        gc.collect()
        other = buffers.take((10, 4), HALF)
        assert place(other) != where
        del view
        first = buffers.take((8, 4), HALF)  # a smaller one fits in
        assert place(first) == where
        del other


def test_a_larger_array_gets_larger_memory_and_the_smaller_goes():
    buffers = Buffers()
    buffers.take((10, 4), HALF)
    large = buffers.take((100, 4), HALF)
    large[...] = 1
    assert buffers._free == []


def test_arrays_of_several_threads_are_apart():
    buffers, wrong = Buffers(), []

    def use(number):
        for _ in range(300):
            array = buffers.take((50, 3), HALF)
            array[...] = number
            wrong.extend(array[array != number])

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(buffers._free) <= 2 * len(threads)  # each takes one while it holds another
