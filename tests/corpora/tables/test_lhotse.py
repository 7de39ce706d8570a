"""The files of lhotse_files/ were written by lhotse 1.33."""

import json
from pathlib import Path

import pytest

from tokser.corpora.tables.lhotse import read_lhotse
from tokser.errors import ManifestError

FILES = Path(__file__).parent / "lhotse_files"
RECORDINGS, SUPERVISIONS, CUTS = (
    FILES / name for name in ("recordings.jsonl.gz", "supervisions.jsonl", "cuts.jsonl")
)
FIRST = {
    "id": "sup0",
    "path": "r0.wav",
    "text": "Hello  number 0",
    "language": "en",
    "speaker": "s0",
    "gender": "F",
    "emotion": "happy",
    "valence": "2.5",
}


@pytest.mark.parametrize("paths", [[RECORDINGS, SUPERVISIONS], [SUPERVISIONS, RECORDINGS], [CUTS]])
def test_supervisions_are_utterances(paths):
    records = list(read_lhotse(paths))
    assert [record.faults for record in records] == [()] * 3
    assert [record.cells["path"] for record in records] == ["r0.wav", "r1.wav", "r2.wav"]
    assert records[0].cells == FIRST


def test_recordings_alone_are_utterances_without_labels():
    records = list(read_lhotse([RECORDINGS]))
    assert [record.cells for record in records] == [
        {"id": f"rec{i}", "path": f"r{i}.wav"} for i in range(3)
    ]


def test_supervisions_alone_ask_for_their_recordings():
    with pytest.raises(ManifestError, match=r"Give recordings\.jsonl too"):
        list(read_lhotse([SUPERVISIONS]))


def changed(tmp_path, source, **changes):
    first, *others = source.read_text().splitlines()
    path = tmp_path / source.name
    path.write_text("\n".join([json.dumps(json.loads(first) | changes), *others]))
    return path


@pytest.mark.parametrize(
    ("source", "changes", "fault"),
    [
        (SUPERVISIONS, {"start": "0.2"}, "start '0.2' is not a number of seconds"),
        (SUPERVISIONS, {"recording_id": "rec9"}, "recording 'rec9' is not there"),
        (CUTS, {"recording": None, "type": "MixedCut"}, "MixedCut"),
    ],
)
def test_what_is_no_recording_is_a_fault_of_its_record(tmp_path, source, changes, fault):
    paths = [changed(tmp_path, source, **changes)]
    records = list(read_lhotse([*paths, RECORDINGS] if source == SUPERVISIONS else paths))
    (faults,) = [record.faults for record in records if record.faults]
    assert faults[0].startswith(fault)


def test_a_supervision_of_a_part_says_when(tmp_path):
    supervisions = changed(tmp_path, SUPERVISIONS, start=0.2, duration=0.5)
    first, second, _ = read_lhotse([supervisions, RECORDINGS])
    assert first.cells == FIRST | {"start_s": "0.200000", "end_s": "0.700000"}
    assert "start_s" not in second.cells


def test_times_within_a_cut_count_from_the_cut(tmp_path):
    (supervision,) = json.loads(CUTS.read_text().splitlines()[0])["supervisions"]
    inner = supervision | {"start": 0.1, "duration": 0.2}
    cuts = changed(tmp_path, CUTS, start=0.3, duration=0.5, supervisions=[inner])
    first = next(read_lhotse([cuts]))
    assert (first.cells["start_s"], first.cells["end_s"]) == ("0.400000", "0.600000")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"sources": []}, "sources none instead of one file"),
        ({"sources": [{"type": "command", "source": "sox"}]}, "sources command instead of one"),
        ({"transforms": [{"name": "Resample"}]}, "transforms, which only lhotse can apply"),
    ],
)
def test_recordings_that_only_lhotse_can_read_are_faults(tmp_path, changes, fault):
    recording = {"id": "r", "sources": [{"type": "file", "source": "a.wav"}], "duration": 1.0}
    path = tmp_path / "recordings.jsonl"
    path.write_text(json.dumps(recording | changes))
    (record,) = read_lhotse([path])
    assert record.faults[0].startswith(fault)
