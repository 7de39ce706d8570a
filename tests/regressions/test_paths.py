"""Paths are taken letter by letter; white space in them is part of a name."""

import unicodedata

import numpy as np
import pytest
import soundfile

from tokser.corpora.manifest import probe_recordings, read_manifest
from tokser.corpora.tables.records import Naming, Record, rows_of
from tokser.errors import ManifestError

NAMES = {"take 1.wav": 100, "take  1.wav": 200, "no\u00a0break.wav": 300, "録音\u3000一.wav": 400}


def rows(root, *paths):
    records = [Record(f"line {i}", {"path": path, "label": "x"}) for i, path in enumerate(paths)]
    return rows_of(records, table="my.csv", root=root, naming=Naming())


def test_each_name_is_its_own_recording(tmp_path):
    for name, num_samples in NAMES.items():
        soundfile.write(tmp_path / name, np.zeros(num_samples), 16_000)
    probe_recordings("mine", tmp_path, rows(tmp_path, *NAMES)).write(tmp_path / "m.csv")
    manifest = read_manifest(tmp_path / "m.csv", dataset="mine", root=tmp_path)
    assert not manifest.faults
    found = dict(zip(manifest.table["path"], manifest.table["num_samples"], strict=True))
    assert found == NAMES


@pytest.mark.parametrize(
    ("name", "asked", "hint"),
    [
        ("a.wav", " a.wav", "without surrounding white space"),
        ("grün.wav", unicodedata.normalize("NFD", "grün.wav"), "in another Unicode normal form"),
    ],
)
def test_a_name_that_hardly_differs_is_told_and_not_taken(tmp_path, name, asked, hint):
    soundfile.write(tmp_path / name, np.zeros(100), 16_000)
    (fault,) = probe_recordings("mine", tmp_path, rows(tmp_path, asked)).faults
    assert fault.reason.startswith("no such file (a file of ")
    assert hint in fault.reason


@pytest.mark.parametrize("end", ["\n", "\r", "\u2028"])
def test_a_line_s_end_in_a_path_is_told(tmp_path, end):
    with pytest.raises(ManifestError, match="contains a line break; rename the recording"):
        rows(tmp_path, f"a{end}b.wav")
