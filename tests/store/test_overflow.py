import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tokser.errors import RunError
from tokser.store.overflow import all_finite, require_finite


@given(
    values=st.sampled_from(["float16", "float32", "float64"]).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=1, max_dims=2, min_side=0))
    )
)
def test_the_bits_say_what_isfinite_says(values):
    assert all_finite(values) == np.isfinite(values).all()


def test_every_float16_there_is():
    for value in np.arange(2**16, dtype=np.uint16).view(np.float16):
        assert all_finite(value.reshape(1)) == np.isfinite(value)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, -np.nan])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_one_bad_value_among_many_is_found(bad, dtype):
    values = np.linspace(-6e4, 6e4, 10_000).astype(dtype)
    assert all_finite(values)
    values[7_777] = bad
    assert not all_finite(values)


def test_whole_numbers_are_finite():
    assert all_finite(np.array([np.iinfo(np.int32).max, np.iinfo(np.int32).min]))


def test_a_value_that_is_no_number_is_not_blamed_on_the_type():
    rows = np.array([1.0, np.nan], dtype=np.float32)
    with pytest.raises(RunError, match=r"and 1 not finite.*it cannot take this utterance"):
        require_finite(rows, rows, "store, layer 0, utt001")
    large = np.array([1e6], dtype=np.float32)
    with np.errstate(over="ignore"), pytest.raises(RunError, match="--dtype float32"):
        require_finite(large.astype(np.float16), large, "store, layer 0, utt001")
