"""What is named is found: files, folders, manifests, lists; each once, and what is unusual said."""

import numpy as np
import pytest
import soundfile

from tokser.corpora.manifest import Manifest
from tokser.errors import InputError, ManifestError, MissingInputError, SettingsError
from tokser.prediction.inputs import find_recordings, only_store, say_what_is_unusual


def record(path, seconds=0.5, rate=16_000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (int(seconds * rate), channels)
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, shape), rate)
    return str(path)


def test_files_in_the_order_in_which_they_were_named(tmp_path):
    names = [record(tmp_path / name) for name in ("b.wav", "a.flac", "c.ogg")]
    found = find_recordings(names)
    assert isinstance(found, Manifest)
    assert list(found.table.index) == names
    assert found.table["num_samples"].tolist() == [8_000] * 3


def test_a_folder_is_searched_for_audio_hidden_files_are_left_out(tmp_path):
    record(tmp_path / "x" / "deep" / "a.wav")
    record(tmp_path / "x" / "B.WAV")
    record(tmp_path / "x" / "._a.wav")
    (tmp_path / "x" / "notes.txt").write_text("no audio")
    (tmp_path / "x" / "phone.m4a").write_bytes(b"not decoded")
    found = find_recordings([str(tmp_path / "x")])
    names = [name.removeprefix(f"{tmp_path}/x/") for name in found.table.index]
    assert names == ["B.WAV", "deep/a.wav", "phone.m4a"]
    assert [fault.id.rpartition("/")[2] for fault in found.faults] == ["phone.m4a"]


def test_a_folder_without_audio_and_a_missing_file_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no audio")
    with pytest.raises(InputError, match="expected audio files in this folder or below"):
        find_recordings([str(tmp_path)])
    with pytest.raises(MissingInputError, match=r"nothing\.wav: expected an audio file"):
        find_recordings([str(tmp_path / "nothing.wav")])
    with pytest.raises(InputError, match="at least one recording"):
        find_recordings(["-"])


def test_a_manifest_of_tokser_and_a_plain_table(tmp_path):
    record(tmp_path / "wav" / "a.wav")
    record(tmp_path / "wav" / "b.wav")
    table = "path,speaker,transcript,mood\nwav/b.wav,s1,Guten Tag,x\nwav/a.wav,s2,,y\n"
    (tmp_path / "manifest.csv").write_text(table)
    found = find_recordings([str(tmp_path / "manifest.csv")])
    assert list(found.table.index) == ["b", "a"]
    assert found.table["transcript"].tolist() == ["Guten Tag", ""]
    assert found.table["speaker"].tolist() == ["s1", "s2"]
    found.write(tmp_path / "own" / "manifest.csv")
    own = str(tmp_path / "own" / "manifest.csv")
    again = find_recordings([own], root=tmp_path)
    assert again.table.equals(found.table)
    with pytest.raises(ManifestError, match="path"):
        (tmp_path / "bad.csv").write_text("speaker,mood\ns1,x\n")
        find_recordings([str(tmp_path / "bad.csv")])


def test_absolute_paths_of_a_manifest_may_lie_anywhere(tmp_path):
    path = record(tmp_path / "elsewhere" / "a.wav")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "m.csv").write_text(f"path\n{path}\n")
    found = find_recordings([str(tmp_path / "lists" / "m.csv")])
    assert found.table["path"].tolist() == [path]
    assert not found.faults


def test_channels_of_a_manifest_are_kept(tmp_path):
    record(tmp_path / "a.wav", channels=2)
    (tmp_path / "m.csv").write_text("id,path,channel\nleft,a.wav,0\nright,a.wav,1\n")
    other = record(tmp_path / "b.wav")
    found = find_recordings([str(tmp_path / "m.csv"), other])
    assert found.table["channel"].tolist() == ["0", "1", ""]


def test_a_list_on_standard_input_quarantines_what_is_not_there(tmp_path):
    path = record(tmp_path / "a.wav")
    lines = [f"{path}\n", "\n", f"{tmp_path}/gone.wav\n"]
    found = find_recordings(["-"], read_lines=lambda: lines)
    assert list(found.table.index) == [path, f"{tmp_path}/gone.wav"]
    assert [fault.reason for fault in found.faults] == ["no such file"]


def test_what_is_named_twice_is_predicted_once_and_said(tmp_path, capsys):
    path = record(tmp_path / "a.wav")
    (tmp_path / "link.wav").symlink_to(path)
    found = find_recordings([path, str(tmp_path / "link.wav"), str(tmp_path)])
    assert list(found.table.index) == [path]
    assert "named twice, predicted once" in capsys.readouterr().err


def test_two_recordings_with_one_id_are_refused(tmp_path):
    record(tmp_path / "one" / "a.wav")
    record(tmp_path / "two" / "a.wav")
    for name in ("one", "two"):
        (tmp_path / name / "m.csv").write_text("path\na.wav\n")
    with pytest.raises(InputError, match="several recordings with the id a"):
        find_recordings([str(tmp_path / name / "m.csv") for name in ("one", "two")])


def test_a_transcript_belongs_to_one_recording(tmp_path):
    one, two = (record(tmp_path / name) for name in ("a.wav", "b.wav"))
    found = find_recordings([one], transcript="Guten Tag")
    assert found.table["transcript"].tolist() == ["Guten Tag"]
    with pytest.raises(SettingsError, match="--transcript: expected one input, got 2"):
        find_recordings([one, two], transcript="Guten Tag")


def test_stereo_and_telephone_recordings_are_said(tmp_path, capsys):
    names = [
        record(tmp_path / "phone.wav", rate=8_000),
        record(tmp_path / "stereo.wav", channels=2),
        record(tmp_path / "studio.wav", rate=44_100),
        record(tmp_path / "usual.wav"),
    ]
    say_what_is_unusual(find_recordings(names))
    said = capsys.readouterr().err
    assert "1 of 4 recordings of less than 16 kHz (8,000 Hz)" in said
    assert "wide-band" in said
    assert "1 of 4 recordings with several channels: their mean is taken" in said
    assert "1 of 4 recordings resampled to 16 kHz" in said


def test_a_store_is_named_alone(stores, tmp_path):
    store = stores.complete()
    assert only_store([store.path]) == store.path
    assert only_store([record(tmp_path / "a.wav")]) is None
    assert only_store(["-"]) is None
    with pytest.raises(SettingsError, match="one store alone"):
        only_store([store.path, "a.wav"])
