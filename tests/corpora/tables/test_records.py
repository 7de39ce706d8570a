from pathlib import Path

import pytest

from tokser.corpora.tables.records import Naming, Record, rows_of
from tokser.errors import ManifestError, SettingsError

ROOT = Path("/corpus")


def rows(*cells, naming=None, root=ROOT):
    records = [Record(f"line {i}", one) for i, one in enumerate(cells, start=2)]
    return rows_of(records, table="my.csv", root=root, naming=naming or Naming())


def test_manifest_columns_are_filled_and_others_kept():
    (row,) = rows({"path": "a/x.wav", "label": " very\n angry ", "age": "31", "num_samples": "9"})
    assert row == {
        "id": "x",
        "path": "a/x.wav",
        "speaker": "",
        "sex": "",
        "session": "",
        "language": "",
        "transcript": "",
        "label": "very angry",
        "age": "31",
    }


def test_usual_names_of_columns_are_understood_and_told(capsys):
    cells = {
        "file": "x.wav",
        "emotion": "a",
        "gender": "Female",
        "transcription": "Ja.",
        "key": "k",
    }
    (row,) = rows(cells)
    assert (row["id"], row["path"], row["sex"]) == ("k", "x.wav", "f")
    assert (row["transcript"], row["label"]) == ("Ja.", "a")
    assert "my.csv: label <- emotion" in capsys.readouterr().err
    assert set(row) == set(rows({"path": "x.wav", "label": ""})[0])


def test_named_columns_go_before_usual_ones():
    cells = {"path": "x.wav", "label": "0", "category": "anger"}
    (row,) = rows(cells, naming=Naming(columns={"label": "category"}))
    assert row["label"] == "anger"


def test_labels_and_languages_are_set():
    naming = Naming(labels={"exc": "happiness"}, language="de")
    first, second = rows(
        {"path": "x.wav", "label": "exc", "language": "en"},
        {"path": "y.wav", "label": "neu", "language": ""},
        naming=naming,
    )
    assert (first["label"], first["language"]) == ("happiness", "en")
    assert (second["label"], second["language"]) == ("neu", "de")


def test_absolute_paths_within_the_corpus_become_relative(tmp_path):
    (row,) = rows({"path": str(tmp_path / "a" / "x.wav"), "label": "a"}, root=tmp_path)
    assert row["path"] == "a/x.wav"


def test_recordings_of_one_name_are_told_apart_by_their_folders():
    found = rows(*({"path": f"{folder}/x.wav", "label": "a"} for folder in ("b", "a")))
    assert [row["id"] for row in found] == ["b-x", "a-x"]


def test_all_faults_are_named_at_once():
    with pytest.raises(ManifestError) as caught:
        rows(
            {"path": "", "label": "a"},
            {"path": "../x.wav", "label": "a"},
            {"path": "/elsewhere/x.wav", "label": "a"},
            {"path": "a\0.wav", "label": "a"},
            {"path": "/corpus", "label": "a"},
        )
    assert caught.value.got == (
        "line 2: no path, line 3: path '../x.wav' is outside of /corpus, "
        "line 4: path '/elsewhere/x.wav' is outside of /corpus, "
        "line 5: path contains a null character, "
        "line 6: path '/corpus' is outside of /corpus"
    )


def test_shared_ids_are_named():
    with pytest.raises(ManifestError, match="got id a twice"):
        rows(*({"id": "a", "path": f"{i}.wav", "label": "x"} for i in range(2)))


def test_an_empty_table_is_refused():
    with pytest.raises(ManifestError, match="no utterances"):
        rows()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"label": "a", "sound": "x.wav"}, r"expected a column 'path'.*--column path=NAME"),
        ({"path": "x.wav", "mood": "a"}, r"expected a column 'label'.*--unlabelled"),
    ],
)
def test_a_missing_column_says_how_to_name_it(cells, message):
    with pytest.raises(ManifestError, match=message):
        rows(cells)


def test_a_corpus_without_labels_is_taken_on_request():
    (row,) = rows({"path": "x.wav"}, naming=Naming(unlabelled=True))
    assert row["label"] == ""


def test_some_missing_labels_are_counted(capsys):
    rows({"path": "x.wav", "label": ""}, {"path": "y.wav", "label": "a"})
    assert "my.csv: 1 of 2 utterances have no label" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("naming", "message"),
    [
        (Naming(columns={"label": "emotoin"}), r"got emotoin\. Did you mean 'emotion'"),
        (Naming(columns={"num_samples": "path"}), "which is read from the recordings"),
        (Naming(labels={"angry": "anger"}), r"expected labels of my.csv: a, got angry"),
    ],
)
def test_names_that_the_table_lacks_are_refused(naming, message):
    with pytest.raises(SettingsError, match=message):
        rows({"path": "x.wav", "emotion": "a"}, naming=naming)
