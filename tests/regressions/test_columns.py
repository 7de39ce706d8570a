"""Columns of a table: ours under nearly our names, and the user's own, which stay text."""

import pytest

from tokser.corpora.tables.audformat import read_audformat
from tokser.corpora.tables.records import Naming, Record, rows_of
from tokser.store.table import parse_manifest

OWN = {"prompt": "007", "fold": "1e3", "clean": "True", "blank": "", "nothing": "NA"}


def row(tmp_path, **cells):
    records = [Record("line 2", {"path": "a.wav", "label": "x"} | cells)]
    return rows_of(records, table="t.csv", root=tmp_path, naming=Naming())[0]


@pytest.mark.parametrize(
    ("column", "ours"),
    [
        ("Speaker", "speaker"),
        ("SPEAKER ID", "speaker"),
        ("SpeakerID", "speaker"),
        ("Session", "session"),
        ("Gender", "sex"),
        ("Text", "transcript"),
    ],
)
def test_a_name_of_other_case_is_taken_and_told(tmp_path, capsys, column, ours):
    found = row(tmp_path, **{column: "f"})
    assert found[ours] == "f"
    assert column not in found
    assert f"t.csv: {ours} <- {column}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("column", "ours"),
    [
        ("spkr_id", "speaker"),
        ("speakers", "speaker"),
        ("subject", "speaker"),
        ("sessions", "session"),
        ("transcripts", "transcript"),
    ],
)
def test_a_name_that_looks_like_ours_is_told_and_kept(tmp_path, capsys, column, ours):
    found = row(tmp_path, **{column: "f"})
    assert (found[ours], found[column]) == ("", "f")
    said = " ".join(capsys.readouterr().err.split())
    assert f"column '{column}' looks like {ours} and is kept as an extra column" in said
    assert f"`--column {ours}={column}`" in said


def test_names_of_one_s_own_are_not_told(tmp_path, capsys):
    row(tmp_path, speaker="a", speakers="b", age="3", prompt="x", valence="1", kid="2", fold="3")
    assert not capsys.readouterr().err


def test_exact_names_go_before_others(tmp_path):
    found = row(tmp_path, Speaker="no", speaker="yes")
    assert (found["speaker"], found["Speaker"]) == ("yes", "no")


def test_columns_of_one_s_own_may_be_named(tmp_path):
    records = [Record("line 2", {"path": "a.wav", "label": "x", "v": "3"})]
    (found,) = rows_of(records, table="t", root=tmp_path, naming=Naming({"valence": "v"}))
    assert (found["valence"], "v" in found) == ("3", False)


def test_columns_of_one_s_own_stay_text_in_a_store(stores):
    table = stores.manifest(3).assign(**OWN)
    found = parse_manifest(table.to_csv(lineterminator="\n"), dataset="mine")
    for column, cell in OWN.items():
        assert list(found[column]) == [cell] * 3
    assert found["num_samples"].dtype == "int64"


def test_numbers_of_a_corpus_are_numbers_in_a_store():
    text = "id,num_samples,sampling_rate_hz,sentence,recognition_percent,valence\na,1,2,01,,3\n"
    found = parse_manifest(text, dataset="emodb")
    assert found["recognition_percent"].isna().all()
    assert (found.loc["a", "sentence"], found.loc["a", "valence"]) == ("01", "3")
    assert parse_manifest(text, dataset="iemocap").loc["a", "valence"] == 3.0


@pytest.mark.parametrize("labels", [{3: {"gender": "male"}, 8: {"gender": "female"}}, None])
def test_whole_numbers_of_audformat_stay_whole(tmp_path, labels):
    audformat = pytest.importorskip("audformat")
    names = [f"wav/{k}.wav" for k in range(3)]
    database = audformat.Database("x")
    database.schemes["s"] = audformat.Scheme("int", labels=labels)
    database.schemes["f"] = audformat.Scheme("float")
    database.schemes["t"] = audformat.Scheme("str")
    table = database["files"] = audformat.Table(audformat.filewise_index(names))
    for column, scheme, cells in (
        ("speaker", "s", [3, 8, None]),
        ("valence", "f", [0.5, 1.0, 2.0]),
        ("prompt", "t", ["007", "1e3", "True"]),
    ):
        table[column] = audformat.Column(scheme_id=scheme)
        table[column].set(cells)
    database.save(str(tmp_path))
    found = [record.cells for record in read_audformat(tmp_path, ["files"])]
    assert [cells.get("speaker") for cells in found] == ["3", "8", None]
    assert [cells["prompt"] for cells in found] == ["007", "1e3", "True"]
    assert [cells["valence"] for cells in found] == ["0.5", "1.0", "2.0"]
