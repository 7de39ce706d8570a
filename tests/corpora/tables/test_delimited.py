import pytest

from tokser.corpora.tables.delimited import read_delimited
from tokser.errors import ManifestError


@pytest.fixture
def read(tmp_path):
    def run(content):
        path = tmp_path / "my.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_delimited(path))

    return run


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_cells_come_by_column(read, delimiter, line_end):
    lines = ["path,label,text", 'a.wav,x,"Ja, so."', "", "b.wav,y,"]
    content = line_end.join(lines)
    if delimiter != ",":
        content = content.replace(",", delimiter).replace(f"Ja{delimiter}", "Ja,")
    first, second = read(content)
    assert first.cells == {"path": "a.wav", "label": "x", "text": "Ja, so."}
    assert second.cells == {"path": "b.wav", "label": "y", "text": ""}
    assert (first.where, second.where) == ("line 2", "line 4")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_encodings_of_excel_and_others_are_read(read, encoding):
    (record,) = read("path,label\na.wav,Ärger".encode(encoding))
    assert record.cells == {"path": "a.wav", "label": "Ärger"}


def test_a_line_of_another_length_is_its_record_s_fault(read):
    first, second = read("path,label\na.wav\nb.wav,x,y\n")
    assert first.faults == ("1 cells under 2 columns",)
    assert second.faults == ("3 cells under 2 columns",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "got no header"),
        ("path,label,path\n", "got columns path twice"),
        ('path,label\n"a.wav,x\n', "unexpected end of data"),
    ],
)
def test_what_is_no_table_is_refused(read, content, message):
    with pytest.raises(ManifestError, match=message):
        read(content)
