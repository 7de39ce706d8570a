import numpy as np
import pytest
import torch

from tokser.encoders.fetch_activations import DeviceOutput

STATES = {0: torch.randn(3, 7, 4), 2: torch.randn(3, 7, 4).bfloat16()}
CUTS = [[(0, 5)], [(1, 7), (2, 3)]]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rows_are_trimmed_joined_and_cast(dtype):
    first, second = DeviceOutput(STATES, CUTS, dtype).fetch()
    for layer, states in STATES.items():
        plain = states.float().numpy()
        assert first[layer].dtype == dtype
        np.testing.assert_array_equal(first[layer], plain[0, :5].astype(dtype))
        joined = np.concatenate([plain[1], plain[2, :3]])
        np.testing.assert_array_equal(second[layer], joined.astype(dtype))


def test_rows_do_not_keep_the_padded_batch_in_memory():
    for found in DeviceOutput(STATES, CUTS).fetch():
        assert all(rows.base is None for rows in found.values())


def test_values_before_the_cast_are_still_available():
    states = {1: torch.full((1, 2, 3), 1e5)}
    output = DeviceOutput(states, [[(0, 2)]], "float16")
    assert np.isinf(output.fetch()[0][1]).all()
    np.testing.assert_array_equal(output.before_cast(0, 1), np.full((2, 3), 1e5, np.float32))
