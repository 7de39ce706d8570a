"""Tables as spreadsheets save them, in encodings and with line ends of their own."""

import pytest

from tokser.corpora.manifest import probe_recordings, read_manifest
from tokser.corpora.tables.delimited import read_delimited
from tokser.errors import InputError, ManifestError
from tokser.experiments.results import CLASSIFICATION

SAID = "I don’t know – “really” … 5 €"  # noqa: RUF001
TABLE = f"path,label,transcript\r\na.wav,x,{SAID}\r\n"


@pytest.fixture
def read(tmp_path):
    def run(content):
        path = tmp_path / "my.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_delimited(path))

    return run


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("cp1252", "read as Windows-1252"),
        ("utf-16", "read as UTF-16"),
        ("utf-16-le", "read as UTF-16-LE"),
        ("utf-16-be", "read as UTF-16-BE"),
        ("utf-8", ""),
        ("utf-8-sig", ""),
    ],
)
def test_quotes_and_dashes_come_as_they_were_typed(read, capsys, encoding, told):
    (record,) = read(TABLE.encode(encoding))
    assert record.cells == {"path": "a.wav", "label": "x", "transcript": SAID}
    said = capsys.readouterr().err
    assert told in said if told else not said


@pytest.mark.parametrize("content", [b"path,label\na.wav,\x81\n", b"\xff\xfep\0a\0t"])
def test_bytes_of_no_known_encoding_are_refused(read, content):
    with pytest.raises(ManifestError, match=r"got no text in .* Save it as CSV again"):
        read(content)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("first", ["sep=;", "SEP=;", None])
def test_excel_s_own_first_line_and_line_ends_are_understood(read, line_end, first):
    lines = [*([first] if first else []), "path;label", "a.wav;1,5", "b.wav;2"]
    records = read(line_end.join(lines))
    assert [record.cells for record in records] == [
        {"path": "a.wav", "label": "1,5"},
        {"path": "b.wav", "label": "2"},
    ]
    assert records[0].where == f"line {3 if first else 2}"


@pytest.mark.parametrize("content", [b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0rest"])
def test_a_workbook_is_told_how_to_be_saved(read, content):
    with pytest.raises(ManifestError, match=r"got a workbook of Excel .*CSV UTF-8"):
        read(content)


@pytest.mark.parametrize("content", ["path,label\n", "path,label\n\n , \n"])
def test_a_table_without_a_line_is_told(read, content):
    with pytest.raises(ManifestError, match="got the header path, label and no other line"):
        read(content)


def test_empty_columns_behind_the_table_are_left_out(read, capsys):
    (record,) = read("path,label,,\na.wav,x,,,,\n")
    assert (record.cells, record.faults) == ({"path": "a.wav", "label": "x"}, ())
    assert not capsys.readouterr().err


def test_a_column_without_a_name_is_told(read, capsys):
    (record,) = read(",path,label\n0,a.wav,x\n")
    assert record.cells == {"path": "a.wav", "label": "x"}
    assert "column 1 has no name and is ignored" in capsys.readouterr().err


ROW = dict.fromkeys(("speaker", "sex", "session", "language", "label"), "")


@pytest.mark.parametrize(
    ("encoding", "delimiter", "first"),
    [("utf-8-sig", ";", ""), ("cp1252", ";", "sep=;\r\n"), ("utf-16", "\t", "")],
)
def test_a_manifest_that_a_spreadsheet_saved_is_read_and_told(
    tmp_path, capsys, encoding, delimiter, first
):
    row = {"id": "a", "path": "a.wav", **ROW, "transcript": "Ja — so."}
    manifest = probe_recordings("mine", tmp_path, [row])
    path = tmp_path / "m.csv"
    text = first + manifest.csv_text().replace(",", delimiter).replace("\n", "\r\n")
    path.write_bytes(text.encode(encoding))
    again = read_manifest(path, dataset="mine", root=tmp_path)
    assert again.csv_text() == manifest.csv_text()
    assert "kept their leading zeros" in capsys.readouterr().err


def test_a_folder_is_no_manifest(tmp_path):
    with pytest.raises(InputError, match=r"got a folder\. Write it with"):
        read_manifest(tmp_path, dataset="mine", root=tmp_path)


@pytest.mark.parametrize("character", ["\u2028", "\u0085", "\x0b"])
def test_lines_of_results_end_at_line_feeds_only(tmp_path, character):
    path = tmp_path / "comparisons.csv"
    path.write_text(f"first{character},second\n", encoding="utf-8")
    assert CLASSIFICATION.comparisons.read(path).empty
