import numpy as np
import pytest
import torch

from tokser.experiments.heads.mlp import kernel
from tokser.experiments.heads.mlp.kernel import gather
from tokser.experiments.heads.mlp.tiles import LANES

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("num_chosen", [1, 4, 13, 32, 33, 47, 64, 101])
@pytest.mark.parametrize("features", [16, 48, 96])
def test_gathered_values_lie_at_the_strides_and_the_rest_is_0(num_chosen, features):
    inputs = RNG.normal(size=(120, features)).astype(np.float32)
    inputs[-1] = 0
    chosen = RNG.permutation(119)[:num_chosen]
    rows = -(-num_chosen // 4) * 4
    out = np.full(features * (rows + 3 * LANES) + 32 * 2 * LANES, np.nan, dtype=np.float32)
    by_sample, by_feature = gather(out, inputs, chosen, rows)
    places = np.arange(rows)[:, None] * by_sample + np.arange(features) * by_feature
    assert len(np.unique(places)) == rows * features
    np.testing.assert_array_equal(out[places[:num_chosen]], inputs[chosen])
    assert not out[places[num_chosen:]].any()
    assert max(by_sample, by_feature) // LANES % 2 == 1  # no stride fills few sets of a cache


@pytest.mark.parametrize("width", [16, 48, 64, 128, 144])
def test_products_of_wide_and_narrow_tiles(width):
    left = RNG.normal(size=(8, 70)).astype(np.float32)
    right = RNG.normal(size=(70, width)).astype(np.float32)
    out = RNG.normal(size=(8, width)).astype(np.float32)
    expected = out + left @ right
    flat = out.ravel().copy()
    for factor in ((left.ravel(), 0, 70, 1), (left.T.ravel(), 0, 1, 8)):
        flat[:] = out.ravel()
        kernel._multiply((flat, 0, width), factor, (right.ravel(), 0), 8, 70, width)
        np.testing.assert_allclose(flat.reshape(8, width), expected, rtol=1e-5, atol=1e-4)


def test_a_row_is_normalised_as_torch_does():
    values = RNG.normal(3, 2, size=50).astype(np.float32)
    expected = torch.nn.functional.layer_norm(torch.from_numpy(values.copy()), (50,))
    deviation = np.sqrt(values.var() + 1e-5)
    assert kernel._normalise(values) == pytest.approx(1 / deviation, rel=1e-5)
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_turned_weights_are_the_transposed_ones():
    weights = RNG.normal(size=(48, 80)).astype(np.float32)
    turned = np.empty(48 * 80, dtype=np.float32)
    kernel._turn_weights(turned, np.r_[np.zeros(16, np.float32), weights.ravel()], 16, 48, 80)
    np.testing.assert_array_equal(turned.reshape(80, 48), weights.T)


def test_without_a_place_for_the_cache_it_compiles_all_the_same():
    space = {}
    exec("def double(x):\n    return 2 * x", space)  # a function of no file
    assert kernel.compiled_function(space["double"])(21) == 42
