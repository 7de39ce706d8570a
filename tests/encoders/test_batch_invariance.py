import numpy as np
import pytest

from tokser.encoders.batch_invariance import find_batching

LENGTHS = (400, 300, 200)


def rows(waveform):
    return waveform[: len(waveform) // 10 * 10].reshape(-1, 10)


def independent(waveforms):
    return [[rows(one)] for one in waveforms]


def padding_matters(waveforms):
    longest = max(map(len, waveforms))
    return [[rows(one) * len(one) / longest] for one in waveforms]


def neighbours_matter(waveforms):
    mean = np.mean([one.mean() for one in waveforms])
    return [[rows(one) - mean] for one in waveforms]


def one_at_a_time(waveforms):
    if len(waveforms) > 1:
        raise ValueError("a single waveform")
    return independent(waveforms)


@pytest.mark.parametrize(
    ("encode", "found"),
    [
        (independent, "padded"),
        (padding_matters, "equal lengths"),
        (neighbours_matter, "one by one"),
        (one_at_a_time, "one by one"),
    ],
)
def test_batches_are_refused_as_far_as_they_change_rows(encode, found):
    assert find_batching(encode, LENGTHS, "float32") == found


def test_short_types_may_differ_by_their_rounding():
    def rounded(waveforms):
        return [[rows(one) * (1 + 1e-3 * len(waveforms))] for one in waveforms]

    assert find_batching(rounded, LENGTHS, "bfloat16") == "padded"
    assert find_batching(rounded, LENGTHS, "float32") == "one by one"
