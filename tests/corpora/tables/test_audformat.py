import importlib

import pandas as pd
import pytest

from tokser.corpora.tables.audformat import read_audformat
from tokser.errors import ManifestError, MissingInputError, MissingPackageError, SettingsError


@pytest.fixture
def root(tmp_path):
    """A database built as audb's EmoDB is: codes for sentences and speakers, two tables."""
    audformat = pytest.importorskip("audformat")
    database = audformat.Database("toy", languages=["de"])
    speakers = pd.Index([3, 8], name="speaker", dtype="Int64")
    database["speaker"] = audformat.MiscTable(speakers)
    database.schemes["gender"] = audformat.Scheme(labels=["female", "male"])
    database.schemes["age"] = audformat.Scheme("int")
    database["speaker"]["gender"] = audformat.Column(scheme_id="gender")
    database["speaker"]["gender"].set(["male", "female"])
    database["speaker"]["age"] = audformat.Column(scheme_id="age")
    database["speaker"]["age"].set([31, 34])
    database.schemes["emotion"] = audformat.Scheme(labels=["anger", "neutral"])
    database.schemes["speaker"] = audformat.Scheme("int", labels="speaker")
    database.schemes["transcription"] = audformat.Scheme(
        labels={"a01": "Der Lappen liegt auf dem Eisschrank.", "a02": "Das will sie."}
    )
    database.schemes["confidence"] = audformat.Scheme("float")
    files = audformat.filewise_index(["wav/03a01Wa.wav", "wav/08a02Na.wav", "wav/08a01Xa.wav"])
    database["emotion"] = audformat.Table(files)
    database["emotion"]["emotion"] = audformat.Column(scheme_id="emotion")
    database["emotion"]["emotion"].set(["anger", "neutral", None])
    database["emotion"]["confidence"] = audformat.Column(scheme_id="confidence")
    database["emotion"]["confidence"].set([0.9, 1.0, 0.5])
    database["files"] = audformat.Table(files)
    database["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    database["files"]["speaker"].set([3, 8, 8])
    database["files"]["transcription"] = audformat.Column(scheme_id="transcription")
    database["files"]["transcription"].set(["a01", "a02", "a01"])
    for name, ends in (("whole", [None, None]), ("parts", ["1s", None])):
        segments = audformat.segmented_index(files[:2], ["0s", "0s"], ends)
        database[name] = audformat.Table(segments)
        database[name]["emotion"] = audformat.Column(scheme_id="emotion")
        database[name]["emotion"].set(["anger", "neutral"])
    rest = audformat.segmented_index(files[:1], ["1s"], [None])
    database["rest"] = audformat.Table(rest)
    database.save(str(tmp_path))
    return tmp_path


def test_tables_are_joined_and_codes_read(root):
    first, second, third = read_audformat(root, ["emotion", "files"])
    assert first.cells == {
        "file": "wav/03a01Wa.wav",
        "emotion": "anger",
        "confidence": "0.9",
        "speaker": "3",
        "gender": "male",
        "age": "31",
        "transcription": "Der Lappen liegt auf dem Eisschrank.",
    }
    assert second.cells["gender"] == "female"
    assert "emotion" not in third.cells
    assert first.where == "emotion, files: wav/03a01Wa.wav"


def test_segments_that_are_whole_files_are_taken(root):
    assert [record.cells["emotion"] for record in read_audformat(root, ["whole"])] == [
        "anger",
        "neutral",
    ]


def test_parts_of_files_say_when_and_know_their_file(root):
    first, second = read_audformat(root, ["parts", "files"])
    assert (first.cells["start_s"], first.cells["end_s"]) == ("0.000000", "1.000000")
    assert (first.cells["emotion"], first.cells["speaker"]) == ("anger", "3")
    assert "start_s" not in second.cells
    assert second.cells["transcription"] == "Das will sie."


def test_a_part_without_an_end_is_refused(root):
    with pytest.raises(ManifestError, match=r"from 1 s: expected segments with an end"):
        list(read_audformat(root, ["rest"]))


@pytest.mark.parametrize("tables", [[], ["emotoin"]])
def test_an_unknown_table_is_named_with_the_known_ones(root, tables):
    with pytest.raises(SettingsError, match=r"expected tables of .*: emotion, files, "):
        list(read_audformat(root, tables))


def test_a_folder_without_a_database_is_refused(tmp_path):
    with pytest.raises(MissingInputError, match=r"db\.yaml"):
        list(read_audformat(tmp_path, ["emotion"]))


def test_a_missing_package_is_named_with_its_pip_command(tmp_path, monkeypatch):
    real = importlib.import_module

    def none(name, *arguments):
        if name == "audformat":
            raise ImportError("No module named 'audformat'")
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", none)
    with pytest.raises(MissingPackageError, match=r'pip install "tokser\[import\]"'):
        list(read_audformat(tmp_path, ["emotion"]))
