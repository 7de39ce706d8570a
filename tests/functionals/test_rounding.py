import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.config import PoolSettings
from tokser.functionals.group_plan import functionals_plan
from tokser.functionals.moments import pool_rows
from tokser.functionals.rounding import COMPUTED, STORED, read_rounding, rounding_bound
from tokser.functionals.standardise import Standardiser
from tokser.functionals.tables import read_functionals
from tokser.stages.pool import pool
from tokser.store import open_store

NAMES = ("mean", "std", "min", "max", "q25")


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(1, 30),
    st.sampled_from(NAMES),
    st.floats(0.01, 100),
    st.floats(0, 10),
)
def test_functionals_of_float16_rows_are_within_the_bound(seed, rows, name, size, width):
    """Rows of one sign; beyond, a quantile between two rows may be smaller than both."""
    rng = np.random.default_rng(seed)
    exact = size * (1 + width * rng.uniform(size=(rows, 8)))
    stored = exact.astype(np.float16).astype(np.float64)
    mean, std = (pool_rows(stored, moment).astype(np.float64)[None] for moment in ("mean", "std"))
    found = pool_rows(stored, name).astype(np.float64)
    bound = rounding_bound(name, found[None], np.hypot(mean, std), STORED["float16"])[0]
    exactly = pool_rows(exact, name).astype(np.float64)
    # Sizes are those of the rounded rows, and functionals float32: a thousandth more.
    assert (np.abs(found - exactly) <= 1.001 * bound + 1e-6 * np.abs(found)).all()


def test_a_deviation_is_blurred_by_the_size_of_the_values():
    """Rows that are 10 and differ by rounding: their deviation is all noise, and looks real."""
    rng = np.random.default_rng(0)
    exact = 10 + rng.uniform(-2e-3, 2e-3, (9, 50, 4))  # half a unit of float16 at 10 is 4e-3
    stored = (exact + 2e-3 * rng.choice([-1, 1], (9, 1, 4))).astype(np.float16)
    mean, std = (
        np.array([pool_rows(rows, moment) for rows in stored], dtype=np.float64)
        for moment in ("mean", "std")
    )
    bound = rounding_bound("std", std, np.hypot(mean, std), STORED["float16"])
    np.testing.assert_allclose(bound, 10 * 2**-11, rtol=1e-3)
    assert Standardiser.fit(std, bound).is_constant.all()
    assert not Standardiser.fit(std, STORED["float16"] * std).is_constant.any()


def constant_columns(stores, dtype, precision, apart):
    """Of utterances of one row each, which holds 1 or 1 + apart, in turn."""
    table = stores.manifest(8)
    plan = stores.plan(
        table, features={"layer-1": 3}, dtype=dtype, lengths=np.ones(8), precision=precision
    )
    stores.rows = lambda plan, feature, i: np.full((1, 3), 1 + apart * (i % 2), dtype=dtype)
    pool(PoolSettings(store=stores.complete(table, plan).path, functionals=("max",)))
    read = (open_store(stores.path), "whisper-tiny/layer-1", ("mean", "max"))
    values, rounding = read_functionals(*read), read_rounding(*read)
    assert list(values.columns) == list(rounding.columns)
    assert list(values.index) == list(rounding.index)
    return Standardiser.fit(values.to_numpy(), rounding.to_numpy()).is_constant


@pytest.mark.parametrize(
    ("dtype", "precision", "apart", "expected"),
    [
        ("float16", "float32", 2**-10, True),  # neighbours; the deviation is half of it
        ("float16", "float32", 2**-9, False),
        ("float32", "float32", 2**-16, True),
        ("float32", "float32", 2**-15, False),
        ("float32", "bfloat16", 2**-8, True),
        ("float32", "bfloat16", 2**-6, False),
    ],
)
def test_both_sides_of_the_bound(stores, dtype, precision, apart, expected):
    half = apart / 2
    assert (half <= STORED[dtype] + COMPUTED[precision]) == expected
    assert (constant_columns(stores, dtype, precision, apart) == expected).all()


def test_functionals_without_rows_count_as_float16(stores):
    plan = functionals_plan("whisper-tiny", {"layer-1": 3}, np.ones(8, dtype=np.int64), {})
    store = stores.complete(stores.manifest(8), plan)
    assert store.without_rows == ["whisper-tiny/layer-1"]
    values = store.functionals("whisper-tiny/layer-1").to_numpy(dtype=np.float64)
    size = np.hypot(values[:, :3], values[:, 3:])
    expected = (2**-11 + 1e-5) * np.hstack([size, size]) + 2**-25
    found = read_rounding(store, "whisper-tiny/layer-1").to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
