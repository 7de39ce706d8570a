import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokser.corpora.parts import fault_of_part, first_sample, part_length, part_of
from tokser.corpora.waveform import resampled_length
from tokser.errors import AudioError


def row(start, end):
    return {"start_s": start, "end_s": end}


def test_a_row_without_times_is_a_whole_recording():
    assert part_of({}) is None
    assert part_of(row("", "")) is None
    assert part_of(row("0.5", "1")) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("start", "end", "fault"),
    [
        ("", "", ""),
        ("0", "0.1", ""),
        ("-0.2", "1", ""),
        ("1", "", "either both or neither"),
        ("1", "x", "are not both numbers of seconds"),
        ("nan", "1", "are not both numbers of seconds"),
        ("1,5", "2", "are not both numbers of seconds"),
        ("2", "2", "start_s '2' is not before end_s '2'"),
        ("-1", "2", "start_s '-1' is before the recording"),
    ],
)
def test_times_that_are_wrong_are_named(start, end, fault):
    assert fault in fault_of_part(row(start, end))
    assert bool(fault) == bool(fault_of_part(row(start, end)))


def test_a_part_is_cut_where_it_reaches_a_little_beyond():
    assert part_length((0.5, 1.3), 16_000, 16_000) == 8_000
    assert part_length((-0.1, 0.5), 16_000, 16_000) == 8_000


@pytest.mark.parametrize("part", [(1.0, 1.2), (0.5, 1.6), (3.0, 4.0)])
def test_a_part_outside_of_its_recording_is_refused(part):
    with pytest.raises(AudioError, match=r"of a recording of 1\.00 s"):
        part_length(part, 16_000, 16_000)


@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_414, 44_100, 48_000]),
    num_samples=st.integers(100, 200_000),
    times=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_part_lies_within_its_recording_at_16_khz(rate, num_samples, times):
    start, end = (time * num_samples / rate for time in sorted(times))
    try:
        length = resampled_length(part_length((start, end), num_samples, rate), rate)
    except AudioError:  # empty
        return
    first = first_sample((start, end), rate)
    assert 0 <= first < first + length <= resampled_length(num_samples, rate)
