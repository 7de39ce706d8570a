"""What a declared corpus may have wrong with it, and what is said about that."""

import numpy as np
import pytest
import soundfile

from tokser.corpora.declared.paths import matcher
from tokser.corpora.declared.read import read_declaration
from tokser.corpora.declared.scan import scan_declared
from tokser.errors import CorpusError, ManifestError, MissingInputError

DECLARED = """\
dataset: mine
title: Mine
languages: de
layout: anna/froh-01.wav
audio: {sampling_rate_hz: 16000}
files:
  include: "**/*.wav"
  exclude: "old/**/*"
  pattern: '(?P<speaker>\\w+)/(?P<mood>\\w+)-(?P<number>\\d+)'
tables:
  people:
    files: people.csv
    key: "{who}"
    match: "{speaker}"
    required: false
columns:
  id: "{speaker}-{mood}-{number}"
  speaker: "{speaker}"
  sex: "{people.sex}"
  age: {value: "{people.age}", decimal: comma}
  label: {value: "{mood}", values: {froh: happiness, ernst: neutral}}
subsets:
  aged: {needs: people, at_least: {age: 30.5}}
"""


@pytest.fixture
def declaration(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(DECLARED)
    return read_declaration(path)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    for name in ("anna/froh-01", "anna/ernst-02", "ben/froh-01"):
        write(folder / f"{name}.wav")
    return folder


def write(path, *, rate=16_000, value=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(160, value), rate)


def test_a_value_that_is_not_declared_is_named_with_its_file(declaration, root):
    write(root / "ben/wuetend-03.wav")
    write(root / "ben/muede-04.wav")
    with pytest.raises(CorpusError) as caught:
        scan_declared(declaration, root)
    for name in ("muede-04", "wuetend-03"):
        mood = name[:-3]
        text = f"ben/{name}.wav: label {mood!r} is none of froh, ernst"
        assert text in str(caught.value)


def test_recordings_with_other_names_are_said_to_be_ignored(declaration, root, capsys):
    write(root / "anna/notiz.wav")
    write(root / "old/anna/froh-01.wav")
    assert len(scan_declared(declaration, root).table) == 3
    said = capsys.readouterr().err
    assert "ignoring 1 recording not named as in anna/froh-01.wav: anna/notiz.wav" in said
    assert "old/" not in said


def test_equal_copies_are_read_once_different_ones_refused(declaration, root, capsys):
    write(root / "copy/anna/froh-01.wav")
    assert len(scan_declared(declaration, root).table) == 3
    assert "ignoring 1 copies of recordings: copy/anna/froh-01.wav" in capsys.readouterr().err
    write(root / "other/anna/froh-01.wav", value=0.1)
    with pytest.raises(ManifestError, match=r"anna-froh-01: anna/froh-01\.wav, copy/anna/"):
        scan_declared(declaration, root)


def test_another_sampling_rate_is_said(declaration, root, capsys):
    write(root / "anna/froh-05.wav", rate=8_000)
    scan_declared(declaration, root)
    assert "recordings 1 of 8,000 Hz; Mine has 16,000 Hz" in capsys.readouterr().err


def test_a_table_joins_where_it_is_there(declaration, root, capsys):
    table = scan_declared(declaration, root).table
    assert set(table["sex"]) == {""}
    (root / "people.csv").write_text("who;sex;age\nanna;f;31,5\n")
    table = scan_declared(declaration, root).table
    assert table.loc["anna-froh-01", ["sex", "age"]].to_list() == ["f", "31.5"]
    assert table.loc["ben-froh-01", "age"] == ""
    assert "no row in the table 'people' for 1 of 3 recordings" in capsys.readouterr().err
    aged = scan_declared(declaration, root, subset="aged").table
    assert list(aged["speaker"]) == ["anna", "anna"]


def test_a_subset_says_which_table_it_needs(declaration, root):
    with pytest.raises(MissingInputError, match=r"expected people\.csv, which the subset aged of"):
        scan_declared(declaration, root, subset="aged")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("who;sex;age\nanna;f;alt\n", "anna/froh-01.wav: age 'alt' is no number"),
        ("who;sex\nanna;f\n", "expected a field 'people.age'"),
        ("name;sex;age\nanna;f;3\n", "expected a table with a column 'who'"),
        ("who;sex;age\nanna;f;3\nanna;m;3\n", "different rows for anna"),
    ],
)
def test_a_malformed_table_is_refused(declaration, root, text, fault):
    (root / "people.csv").write_text(text)
    with pytest.raises(CorpusError) as caught:
        scan_declared(declaration, root)
    assert fault in str(caught.value)


def test_a_broken_recording_is_a_fault_of_the_manifest(declaration, root):
    (root / "anna/froh-01.wav").write_bytes(b"no audio")
    manifest = scan_declared(declaration, root)
    assert [fault.id for fault in manifest.faults] == ["anna-froh-01"]


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("**/*.wav", ["a.wav", "x/y/A.WAV"], ["a.wav.txt", "x/wav"]),
        ("x/*.wav", ["x/a.wav"], ["x/y/a.wav", "a.wav"]),
        ("x/**/y/*.wav", ["x/y/a.wav", "x/1/2/y/a.wav"], ["x/a.wav"]),
        ("JL(wav+txt)/a?[bc].wav", ["JL(wav+txt)/a1b.wav"], ["JL(wav+txt)/a1d.wav"]),
    ],
)
def test_wildcards_stay_within_names(pattern, matching, others):
    matches = matcher([pattern])
    assert all(matches(path) for path in matching)
    assert not any(matches(path) for path in others)


def test_a_folder_that_cannot_be_read_is_named(declaration, root, monkeypatch):
    def walk(top, *, followlinks, onerror):
        onerror(PermissionError(13, "Permission denied", str(root / "anna")))

    monkeypatch.setattr("os.walk", walk)
    with pytest.raises(CorpusError, match=r"anna: expected a folder that can be read, got Perm"):
        scan_declared(declaration, root)


def test_links_between_folders_end(declaration, root):
    (root / "anna" / "again").symlink_to(root, target_is_directory=True)
    assert len(scan_declared(declaration, root).table) == 3
