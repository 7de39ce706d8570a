import itertools

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tokser.corpora.manifest import probe_recordings, read_manifest
from tokser.corpora.segments import cut_evenly, segment_manifest, windows_of
from tokser.errors import InputError, SettingsError


@pytest.fixture
def manifest(tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "talk.wav", rng.normal(0, 0.1, 5 * 44_100), 44_100)
    soundfile.write(tmp_path / "bad.wav", rng.normal(0, 0.1, 100), 16_000)
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    about = {"speaker": "anna", "sex": "f", "session": "1", "language": "de"}
    about |= {"transcript": "Guten Tag", "label": "calm", "valence": "3.5", "label_calm": "0.9"}
    about |= {"transcript_source": "whisper-base", "room": "kitchen", "channel": ""}
    rows = [
        {"id": "talk", "path": "talk.wav", **about, "start_s": "", "end_s": ""},
        {"id": "part", "path": "talk.wav", **about, "start_s": "1.5", "end_s": "4.0"},
        {"id": "bad", "path": "bad.wav", **about, "start_s": "", "end_s": ""},
    ]
    return probe_recordings("toy", tmp_path, rows)


def test_parts_keep_what_holds_for_each_and_lose_labels(manifest):
    found = segment_manifest(manifest, windows_of(2.0, 0.0))
    table = found.manifest.table
    assert list(table.index) == ["part-0001", "talk-0001", "talk-0002", "talk-0003"]
    assert table["speaker"].eq("anna").all()
    assert table["room"].eq("kitchen").all()
    assert table["recording"].to_list() == ["part", "talk", "talk", "talk"]
    for column in ("label", "valence", "label_calm", "transcript", "transcript_source"):
        assert table[column].eq("").all(), column
    assert list(found.quarantined) == ["bad"]
    assert table.loc["part-0001", ["start_s", "end_s"]].to_list() == ["1.500", "4.000"]
    assert table.loc["talk-0003", ["start_s", "end_s"]].to_list() == ["4.000", "5.000"]
    assert table["num_samples"].to_list() == [110_250, 88_200, 88_200, 44_100]


def test_labels_are_kept_where_that_is_asked_for(manifest):
    table = segment_manifest(manifest, windows_of(2.0, 0.0), keep_labels=True).manifest.table
    assert table["label"].eq("calm").all()
    assert table["valence"].eq("3.5").all()
    assert table["transcript"].eq("").all()


def test_a_segmented_manifest_is_read_again(manifest, tmp_path):
    found = segment_manifest(manifest, windows_of(1.3, 0.4)).manifest
    found.write(tmp_path / "segments.csv")
    again = read_manifest(tmp_path / "segments.csv", dataset="toy", root=tmp_path)
    assert again.csv_text() == found.csv_text()
    assert again.faults == ()


def test_utterances_without_a_part_are_named(manifest, caplog):
    def spans_of(_, row):
        return [(1.0, 2.0)] if row["id"] == "talk" else []

    found = segment_manifest(manifest, spans_of)
    assert found.without == ("part",)
    assert "1 utterances without speech are left out: part" in caplog.text
    with pytest.raises(InputError, match="expected at least one part, got none in 3 utterances"):
        segment_manifest(manifest, lambda *_: [])


def test_an_overlap_as_long_as_a_window_is_refused():
    with pytest.raises(SettingsError, match="--overlap 3: expected 0 or more"):
        windows_of(3.0, 3.0)


@given(
    length=st.floats(0.01, 100),
    every=st.floats(0.5, 20),
    share=st.floats(0, 0.9),
    begin=st.floats(0, 10),
)
def test_windows_cover_everything_and_are_not_too_short(length, every, share, begin):
    end = begin + length
    spans = cut_evenly(begin, end, every, share * every)
    assert spans[0][0] == begin
    assert spans[-1][1] == end
    for (start, stop), (after, _) in itertools.pairwise(spans):
        assert start < after <= stop + 1e-9
    for start, stop in spans:
        assert stop - start < 1.5 * every + 1e-9
        assert stop - start >= min(length, every / 2) - 1e-9
