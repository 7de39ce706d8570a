import gzip

import pytest

from tokser.corpora.tables.json_lines import read_json_lines
from tokser.errors import ManifestError


@pytest.mark.parametrize("packed", [False, True])
def test_objects_come_with_their_lines(tmp_path, packed):
    content = b'{"a": 1}\n\n{"b": "\xc3\xa4"}\n'
    path = tmp_path / "x.jsonl"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert list(read_json_lines(path)) == [
        ("x.jsonl line 1", {"a": 1}),
        ("x.jsonl line 3", {"b": "ä"}),
    ]


def test_all_malformed_lines_are_named(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a"\n[1]\n')
    with pytest.raises(ManifestError, match=r"line 2: .*, line 3: list instead of an object"):
        list(read_json_lines(path))


@pytest.mark.parametrize(
    "content", [gzip.compress(b"{}" * 100)[:-9], b"\xff\xfe{}"], ids=["cut", "no gzip"]
)
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match="expected a JSON object on each line"):
        list(read_json_lines(path))
