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
        (SUPERVISIONS, {"start": 0.2, "duration": 0.5}, "sup0 is a segment of rec0; save it as"),
        (SUPERVISIONS, {"duration": 0.5}, "sup0 is a segment of rec0; save it as"),
        (SUPERVISIONS, {"recording_id": "rec9"}, "recording 'rec9' is not there"),
        (CUTS, {"duration": 0.5}, "a cut of part of a recording"),
        (CUTS, {"recording": None, "type": "MixedCut"}, "MixedCut"),
    ],
)
def test_what_is_not_a_whole_file_is_a_fault_of_its_record(tmp_path, source, changes, fault):
    paths = [changed(tmp_path, source, **changes)]
    records = list(read_lhotse([*paths, RECORDINGS] if source == SUPERVISIONS else paths))
    (faults,) = [record.faults for record in records if record.faults]
    assert faults[0].startswith(fault)


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
