from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tokser.encoders.per_utterance import PerUtterance


class MeanOverTime(torch.nn.Module):
    """Anything that mixes all it sees."""

    def forward(self, rows):
        return rows - rows.mean(dim=1, keepdim=True)


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_padding_is_not_seen_and_comes_back_as_zeros(lengths):
    padded = torch.full((len(lengths), max(lengths) + 2, 3), 1e6)
    rows = [torch.randn(length, 3) for length in lengths]
    for row, values in enumerate(rows):
        padded[row, : lengths[row]] = values
    part = PerUtterance(MeanOverTime(), time=1)
    part.lengths = lengths
    found = part(padded)
    assert found.shape == (len(lengths), max(lengths), 3)
    for row, values in enumerate(rows):
        torch.testing.assert_close(found[row, : lengths[row]], values - values.mean(dim=0))
        assert not found[row, lengths[row] :].any()


@pytest.mark.parametrize("lengths", [[8, 8], [8, 6]])
def test_time_may_be_the_last_axis_and_sums_stay_fp32(lengths):
    convolution = torch.nn.Conv1d(1, 4, 3, stride=2, bias=False).to(torch.bfloat16)
    part = PerUtterance(torch.nn.Sequential(torch.nn.Unflatten(1, (1, -1)), convolution), time=2)
    part.lengths = lengths
    found = part(torch.ones(2, 8, dtype=torch.bfloat16))
    assert found.shape == (2, 4, 3)
    assert found.dtype == torch.float32
    assert bool(found[1, :, 2].any()) == (lengths[1] == 8)


def test_threads_share_a_module_but_not_their_lengths():
    part = PerUtterance(MeanOverTime(), time=1)
    both_have_said_it = Barrier(2, timeout=60)

    def batch(lengths):
        part.lengths = lengths
        both_have_said_it.wait()
        return part(torch.ones(len(lengths), max(lengths), 3)).shape

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(batch, ([9, 7], [4, 3, 2]))
    assert (first, second) == ((2, 9, 3), (3, 4, 3))
