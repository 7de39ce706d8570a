import hypothesis.extra.numpy as hnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from tokser.functionals.standardise import Standardiser, standardise_by_speaker


def test_it_does_what_scikit_learn_does():
    rng = np.random.default_rng(0)
    train, other = (rng.normal(3, 9, (n, 6)).astype(np.float32) for n in (40, 7))
    peer = StandardScaler().fit(train.astype(np.float64))
    found = Standardiser.fit(train).apply(other)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, peer.transform(other), rtol=1e-5, atol=1e-6)


@given(
    st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
    st.integers(1, 300),
)
def test_a_constant_column_becomes_0(value, num_rows):
    column = np.full((num_rows, 1), value, dtype=np.float32)
    scaling = Standardiser.fit(column)
    assert scaling.scale.tolist() == [1.0]
    np.testing.assert_allclose(scaling.apply(column), 0, atol=1e-8)


def test_a_small_but_real_spread_is_not_taken_for_a_constant():
    column = np.array([[1.0], [1.0 + 2**-20]], dtype=np.float32)
    assert Standardiser.fit(column).apply(column).ravel().tolist() == pytest.approx([-1, 1])


@given(hnp.arrays(np.float32, (5, 3), elements={"min_value": -1e3, "max_value": 1e3}))
def test_only_the_training_part_is_learnt_from(other):
    train = np.arange(12, dtype=np.float32).reshape(4, 3)
    scaling = Standardiser.fit(train)
    scaling.apply(other)
    np.testing.assert_array_equal(scaling.mean, [4.5, 5.5, 6.5])
    np.testing.assert_allclose(scaling.scale, np.sqrt(11.25))


def test_by_speaker_each_speaker_gets_mean_0_and_deviation_1():
    rng = np.random.default_rng(0)
    ids = [f"u{i}" for i in range(30)]
    speakers = pd.Series([f"s{i % 3}" for i in range(30)], index=ids)
    shifts = {"s0": 0.0, "s1": 5.0, "s2": -3.0}
    values = rng.normal(size=(30, 4)) * 2 + speakers.map(shifts).to_numpy()[:, None]
    table = pd.DataFrame(values.astype(np.float32), index=ids)
    scaled = standardise_by_speaker(table, speakers.sample(frac=1, random_state=0))
    expected = table.groupby(speakers).transform(
        lambda part: (part - part.mean()) / part.std(ddof=0)
    )
    np.testing.assert_allclose(scaled, expected, atol=1e-5)
    assert list(scaled.index) == ids


def test_a_speaker_with_one_utterance_becomes_0():
    table = pd.DataFrame([[3.0, 4.0]], index=["u"], dtype=np.float32)
    assert (standardise_by_speaker(table, pd.Series({"u": "s"})) == 0).all(axis=None)
