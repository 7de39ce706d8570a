"""JSON lines are cut at line feeds, at nothing else."""

import json

import pytest

from tokser.corpora.tables.emobox import read_emobox
from tokser.corpora.tables.json_lines import read_json_lines
from tokser.errors import ManifestError
from tokser.report.json_files import parse_lines

# The others that `str.splitlines` cuts at are not allowed in JSON unless they are escaped.
CUT_BY_PYTHON = ["\u2028", "\u2029", "\u0085"]


@pytest.mark.parametrize("character", CUT_BY_PYTHON)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_transcript_may_hold_unicode_line_separators(tmp_path, character, line_end):
    lines = [
        {"key": key, "wav": "a.wav", "emo": "sad", "text": f"well{character} yes"} for key in "ab"
    ]
    path = tmp_path / "e.jsonl"
    text = line_end.join(json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_bytes(f"\ufeff{text}{line_end}".encode())
    records = list(read_emobox([path]))
    assert [record.cells["text"] for record in records] == [f"well{character} yes"] * 2
    assert records[1].where == "e.jsonl line 2"


@pytest.mark.parametrize("character", CUT_BY_PYTHON)
def test_a_report_reads_such_lines_too(tmp_path, character):
    path = tmp_path / "ledger.jsonl"
    path.write_text(f'{{"a": "x{character}y"}}\n{{"b": 1}}\n', encoding="utf-8")
    assert parse_lines(path) == ({"a": f"x{character}y"}, {"b": 1})


@pytest.mark.parametrize("content", ["[" * 100_000, "9" * 5_000, "", "\n\n"])
def test_what_python_cannot_parse_is_named(tmp_path, content):
    path = tmp_path / "e.jsonl"
    path.write_text(content)
    with pytest.raises(ManifestError, match="expected a JSON object on each line"):
        list(read_json_lines(path))
