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
    assert scaling.is_constant.tolist() == [True]
    assert (scaling.apply(column) == 0).all()
    assert (scaling.apply(column + np.float32(1)) == 0).all()  # elsewhere, too


def test_a_small_but_real_spread_is_not_taken_for_a_constant():
    column = np.array([[1.0], [1.0 + 2**-20]], dtype=np.float32)
    assert Standardiser.fit(column).apply(column).ravel().tolist() == pytest.approx([-1, 1])


def test_columns_that_float32_alone_can_spread_are_constant():
    column = np.array([[1.0], [1.0 + 2**-23]], dtype=np.float32)  # neighbours
    scaling = Standardiser.fit(column)
    assert scaling.apply(np.array([[3.0]])).tolist() == [[0.0]]


@pytest.mark.parametrize(("spread", "is_constant"), [(0.99, True), (1.01, False)])
def test_columns_explained_by_rounding_are_left_out(spread, is_constant):
    rounding = np.full((4, 2), 1e-3)
    train = np.array([[5.0, -1.0]]) + spread * 1e-3 * np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])
    scaling = Standardiser.fit(train, rounding)
    assert scaling.is_constant.tolist() == [is_constant] * 2
    far = scaling.apply(np.array([[9.0, 9.0]]))
    assert (far == 0).all() if is_constant else (np.abs(far) > 1e3).all()


def test_each_columns_rounding_is_its_own_root_mean_square():
    train = np.array([[1.0, 1.0], [1.5, 1.5]])
    rounding = np.array([[0.0, 0.0], [0.36, 0.35]])  # rms 0.2546 and 0.2475; deviation 0.25
    assert Standardiser.fit(train, rounding).is_constant.tolist() == [True, False]


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
    scaled, rounding = standardise_by_speaker(table, speakers.sample(frac=1, random_state=0))
    assert rounding is None
    expected = table.groupby(speakers).transform(
        lambda part: (part - part.mean()) / part.std(ddof=0)
    )
    np.testing.assert_allclose(scaled, expected, atol=1e-5)
    assert list(scaled.index) == ids


def test_a_speaker_with_one_utterance_becomes_0():
    table = pd.DataFrame([[3.0, 4.0]], index=["u"], dtype=np.float32)
    scaled, _ = standardise_by_speaker(table, pd.Series({"u": "s"}))
    assert (scaled == 0).all(axis=None)


def test_rounding_is_scaled_with_each_speaker():
    """Of two sentences, each constant but for rounding: what training holds of one is constant."""
    rng = np.random.default_rng(0)
    ids = [f"u{i}" for i in range(24)]
    speakers = pd.Series(["s0"] * 12 + ["s1"] * 12, index=ids)
    blur = rng.uniform(-1e-3, 1e-3, (24, 2))
    sentence = np.tile([1.0, 2.0], 12)  # one that varies, and one that only rounding varies
    values = np.stack([sentence, np.full(24, 3.0)], axis=1) + blur
    table = pd.DataFrame(values, index=ids).astype(np.float32)
    errors = pd.DataFrame(1e-3, index=ids, columns=table.columns)
    scaled, rounding = standardise_by_speaker(table, speakers, errors)
    assert (scaled[1] == 0).all()
    np.testing.assert_allclose(scaled[0], np.tile([-1, 1], 12), atol=0.01)
    assert rounding is not None
    np.testing.assert_allclose(rounding[0], 3 * 1e-3 / 0.5, rtol=0.01)
    assert (rounding[1] == 0).all()
    first, second = scaled[sentence == 1.0], scaled[sentence == 2.0]
    fitted = Standardiser.fit(first.to_numpy(), rounding.loc[first.index].to_numpy())
    assert fitted.is_constant.all()
    assert (fitted.apply(second.to_numpy()) == 0).all()
