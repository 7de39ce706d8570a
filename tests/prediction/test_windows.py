"""Windows of recordings: where they begin, and that nothing is left out."""

import itertools

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tokser.corpora.manifest import probe_recordings
from tokser.errors import SettingsError
from tokser.prediction.rows import PredictedRows
from tokser.prediction.windows import Span, Windows


def test_windows_begin_every_hop_and_the_last_ends_with_the_end():
    windows = Windows.of(4, 1)
    assert windows == Windows(64_000, 16_000)
    assert [span.start_s for span in windows.spans(7 * 16_000)] == [0, 1, 2, 3]
    spans = windows.spans(int(6.5 * 16_000))
    assert [(span.start_s, span.end_s) for span in spans] == [(0, 4), (1, 5), (2, 6), (2.5, 6.5)]


def test_a_short_recording_is_one_window_as_long_as_itself():
    assert Windows.of(4, 1).spans(16_000) == [Span(0, 16_000)]
    assert Windows.of(4, 1).spans(64_000) == [Span(0, 64_000)]


def test_without_a_hop_windows_stand_side_by_side():
    assert Windows.of(2, None) == Windows(32_000, 32_000)
    assert Windows.of(None, None) is None


@given(st.integers(1, 10_000), st.integers(1, 300), st.integers(1, 300))
def test_windows_cover_all_samples_at_full_length(num_samples, length, hop):
    spans = Windows(length, min(hop, length)).spans(num_samples)
    assert spans[0].first == 0
    assert spans[-1].after == num_samples
    assert {span.after - span.first for span in spans} == {min(length, num_samples)}
    for one, following in itertools.pairwise(spans):
        assert one.first < following.first <= one.after


@pytest.mark.parametrize(("window", "hop"), [(None, 1.0), (2.0, 3.0), (2.0, 0.00001)])
def test_a_hop_alone_or_one_that_leaves_gaps_is_refused(window, hop):
    with pytest.raises(SettingsError, match="--hop"):
        Windows.of(window, hop)


def test_windows_of_a_part_count_from_its_recording(tmp_path):
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.zeros(16_000 * 4), 16_000)
    row = {"path": "talk.wav", "speaker": "", "sex": "", "session": "", "language": ""}
    row |= {"id": "turn", "transcript": "", "label": "", "start_s": "1.0", "end_s": "3.0"}
    manifest = probe_recordings("mine", tmp_path, [row])
    whole = PredictedRows.of(manifest, None)
    assert whole.table[["start_s", "end_s"]].to_numpy().tolist() == [[1.0, 3.0]]
    cut = PredictedRows.of(manifest, Windows.of(1.0, 1.0))
    assert cut.table[["start_s", "end_s"]].to_numpy().tolist() == [[1.0, 2.0], [2.0, 3.0]]
    assert cut.first_samples.tolist() == [16_000, 32_000]
