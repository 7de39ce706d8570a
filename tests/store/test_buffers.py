"""Memory that is reused: what it returns is nobody else's, and any shape can be asked for."""

import copy
import pickle

import numpy as np
import pytest

from tokser.store import Buffers

HALF = np.dtype(np.float16)


def place(array) -> int:
    return array.__array_interface__["data"][0]


def test_memory_is_reused_once_no_view_is_left():
    buffers = Buffers()
    first = buffers.take((10, 4), HALF)
    where, view = place(first), first[2:]
    del first
    other = buffers.take((10, 4), HALF)
    assert place(other) != where
    del view
    assert place(buffers.take((2, 3, 4), HALF)) == where


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (5,), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float16", "int32", "float64"])
def test_arrays_have_the_shape_and_type_asked_for(shape, dtype):
    buffers = Buffers()
    for _ in range(2):
        found = buffers.take(shape, np.dtype(dtype))
        assert (found.shape, found.dtype) == (shape, np.dtype(dtype))
        assert found.flags.writeable
        found[...] = 1


def test_another_process_gets_memory_of_its_own():
    buffers = Buffers()
    buffers.take((10, 4), HALF)
    for other in (pickle.loads(pickle.dumps(buffers)), copy.deepcopy(buffers)):
        assert other._free == []
        other.take((10, 4), HALF)[...] = 1
