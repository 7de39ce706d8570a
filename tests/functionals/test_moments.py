import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokser.functionals.moments import mean_std

rows = hnp.arrays(
    st.sampled_from([np.float16, np.float32]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=20),
    elements={"min_value": -1e4, "max_value": 1e4},
)


@given(rows)
def test_it_is_the_mean_and_the_population_deviation_in_float64(values):
    centre = values.sum(axis=0, dtype=np.float64) / len(values)
    spread = np.sqrt(((values - centre) ** 2).sum(axis=0) / len(values))
    found = mean_std(values)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.r_[centre, spread], rtol=1e-6, atol=1e-6)


def test_the_mean_comes_first():
    assert mean_std(np.array([[1.0, 4.0], [3.0, 8.0]])).tolist() == [2, 6, 1, 2]


def test_one_row_has_deviation_0():
    row = np.array([[0.1, -65_504.0, 3e-5]], dtype=np.float16)
    np.testing.assert_array_equal(mean_std(row), np.r_[row[0], 0, 0, 0].astype(np.float32))


def test_large_float16_values_do_not_overflow():
    values = np.array([[65_504.0], [-65_504.0]] * 500, dtype=np.float16)
    assert mean_std(values).tolist() == [0.0, 65_504.0]


def test_a_small_spread_about_a_large_mean_is_kept():
    values = np.float32(2**20) + np.array([[0.0], [1.0]] * 2_000, dtype=np.float32)
    assert mean_std(values)[1] == pytest.approx(0.5, rel=1e-6)
