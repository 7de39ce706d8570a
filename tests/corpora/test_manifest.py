import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.corpora.manifest import COLUMNS, Fault, Manifest, probe_recordings, read_manifest
from tokser.errors import ManifestError, MissingInputError

HEADER = (
    "id,path,num_samples,sampling_rate_hz,speaker,sex,session,language,transcript,label,"
    "sentence,recognition_percent,naturalness_percent"
)


def row(name: str, **changed: Any) -> dict[str, Any]:
    return {
        "id": name,
        "path": f"wav/{name}.wav",
        "speaker": "03",
        "sex": "m",
        "session": "",
        "language": "de",
        "transcript": "Ja, so.",
        "label": "anger",
        "sentence": "a01",
        "recognition_percent": 90.0,
        "naturalness_percent": float("nan"),
    } | changed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "wav").mkdir()
    for name in "abc":
        soundfile.write(tmp_path / "wav" / f"{name}.wav", np.zeros(100), 16_000)
    return tmp_path


def test_rows_are_sorted_by_id_and_columns_stand_in_order(root: Path) -> None:
    manifest = probe_recordings("emodb", root, [row("c"), row("a"), row("b")])
    assert list(manifest.table.index) == ["a", "b", "c"]
    assert manifest.table.index.name == "id"
    assert [manifest.table.index.name, *manifest.table.columns] == HEADER.split(",")
    assert tuple(HEADER.split(",")[: len(COLUMNS)]) == COLUMNS


def test_cells_have_their_types(root: Path) -> None:
    table = probe_recordings("emodb", root, [row("a")]).table
    assert table["num_samples"].dtype == np.int64
    assert table["sampling_rate_hz"].dtype == np.int64
    assert table["recognition_percent"].dtype == np.float64
    assert table.loc["a", "session"] == ""
    assert not table[["session", "label"]].isna().any().any()


def test_unusable_audio_is_a_fault_and_keeps_its_row(root: Path) -> None:
    (root / "wav" / "b.wav").write_bytes(b"")
    manifest = probe_recordings("emodb", root, [row("a"), row("b"), row("missing")])
    assert manifest.faults == (
        Fault("b", "wav/b.wav", "an empty file (0 bytes)"),
        Fault("missing", "wav/missing.wav", "no such file"),
    )
    assert list(manifest.table["num_samples"]) == [100, 0, 0]
    assert list(manifest.table["sampling_rate_hz"]) == [16_000, 0, 0]


def test_shared_ids_are_named_with_their_paths(root: Path) -> None:
    rows = [row("a"), row("a", path="more/a.wav"), row("b")]
    with pytest.raises(ManifestError, match=r"id a 2 times \(wav/a.wav, more/a.wav\)"):
        probe_recordings("emodb", root, rows)


def test_the_csv_is_written_byte_by_byte_as_stated(root: Path) -> None:
    manifest = probe_recordings("emodb", root, [row("a", label="")])
    expected = f'{HEADER}\na,wav/a.wav,100,16000,03,m,,de,"Ja, so.",,a01,90.0,\n'
    assert manifest.csv_text() == expected
    assert manifest.digest == hashlib.sha256(expected.encode()).hexdigest()
    manifest.write(root / "out" / "manifest.csv")
    assert (root / "out" / "manifest.csv").read_bytes() == expected.encode()


def test_the_digest_depends_on_what_is_recorded_not_on_where(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "Fünf"
    (other / "wav").mkdir(parents=True)
    for name in "ab":
        soundfile.write(other / "wav" / f"{name}.wav", np.ones(100) / 2, 16_000)
    here = probe_recordings("emodb", root, [row("a"), row("b")])
    there = probe_recordings("emodb", other, [row("b"), row("a")])
    assert here.digest == there.digest
    assert here.digest != probe_recordings("emodb", root, [row("a")]).digest


def test_reading_gives_back_what_was_written(root: Path) -> None:
    (root / "wav" / "b.wav").write_bytes(b"")
    written = probe_recordings("emodb", root, [row("a"), row("b", transcript="NA")])
    written.write(root / "m.csv")
    read = read_manifest(root / "m.csv", dataset="emodb", root=root)
    pd.testing.assert_frame_equal(read.table, written.table)
    assert read.digest == written.digest
    assert [(fault.id, fault.path) for fault in read.faults] == [("b", "wav/b.wav")]
    assert (read.dataset, read.root) == ("emodb", root)


cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\0"), max_size=12)
percents = st.floats(0, 100) | st.just(float("nan"))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.from_regex(r"[a-zA-Z0-9_-]{1,8}", fullmatch=True), unique=True, max_size=6),
    cell=cells,
    percent=percents,
)
def test_every_text_and_number_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], cell: str, percent: float
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    rows = [row(name, transcript=cell, speaker=cell, recognition_percent=percent) for name in names]
    written = probe_recordings("emodb", folder, rows)
    written.write(folder / "m.csv")
    read = read_manifest(folder / "m.csv", dataset="emodb", root=folder)
    assert read.digest == written.digest
    pd.testing.assert_frame_equal(read.table, written.table, check_exact=True)


def read_text(folder: Path, text: str) -> Manifest:
    path = folder / "m.csv"
    path.write_text(text, encoding="utf-8")
    return read_manifest(path, dataset="emodb", root=folder)


GOOD = "a,wav/a.wav,100,16000,03,m,,de,Ja,anger,a01,90.0,"


def test_lines_may_stand_in_any_order_and_columns_too(tmp_path: Path) -> None:
    text = f"{HEADER}\n{GOOD.replace('a,wav/a.wav', 'b,wav/b.wav')}\n{GOOD}\n"
    table = read_text(tmp_path, text).table
    assert list(table.index) == ["a", "b"]
    frame = pd.read_csv(tmp_path / "m.csv", dtype=str, keep_default_na=False)
    turned = frame[list(frame.columns)[::-1]].to_csv(index=False)
    pd.testing.assert_frame_equal(read_text(tmp_path, turned).table, table)


def test_columns_of_the_users_own_are_kept_as_text(tmp_path: Path) -> None:
    table = read_text(tmp_path, f"{HEADER},age\n{GOOD},031\n").table
    assert table.columns[-1] == "age"
    assert table.loc["a", "age"] == "031"


def test_a_spreadsheets_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert list(read_text(tmp_path, f"\ufeff{HEADER}\n{GOOD}\n").table.index) == ["a"]


def test_missing_columns_are_named_together(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no column 'speaker', .*no column 'sentence'"):
        read_text(tmp_path, HEADER.replace("speaker", "Sprecher").replace("sentence", "Satz"))


def test_a_column_that_stands_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="column 'label' twice"):
        read_text(tmp_path, f"{HEADER},label\n{GOOD},anger\n")


def test_all_faults_of_a_manifest_are_named_at_once(tmp_path: Path) -> None:
    lines = [
        GOOD,
        GOOD,
        GOOD.replace("100", "many").replace("90.0", "high"),
        GOOD.replace("16000", "0"),
        GOOD.replace("wav/a.wav", "/abs/a.wav"),
        GOOD.removeprefix("a"),
        "a,b",
        GOOD.replace("90.0", "nan"),
        GOOD.replace("Ja", '"Ja\nNein"'),
    ]
    with pytest.raises(ManifestError) as caught:
        read_text(tmp_path, "\n".join([HEADER, *lines]) + "\n")
    text = str(caught.value)
    for fault in (
        "line 4: recognition_percent = 'high'",
        "line 4: num_samples = 'many'",
        "line 5: num_samples = '100', line 5: sampling_rate_hz = '0'",
        "line 6: path = '/abs/a.wav'",
        "line 7: id = ''",
        "line 8: 2 cells under 13 columns",
        "line 9: recognition_percent = 'nan'",
        r"transcript = 'Ja\nNein'",
        "id a 8 times (wav/a.wav, wav/a.wav,",
        "write the manifest again with `tokser manifest`",
    ):
        assert fault in text


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'id,"path\n'])
def test_a_file_that_is_no_csv_is_a_manifest_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"no column 'id'|no text in utf-16|end of data"):
        read_manifest(path, dataset="emodb", root=tmp_path)


def test_a_missing_manifest_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="Write it with `tokser manifest`"):
        read_manifest(tmp_path / "m.csv", dataset="emodb", root=tmp_path)


def test_a_manifest_cannot_be_changed(root: Path) -> None:
    manifest = probe_recordings("emodb", root, [row("a")])
    with pytest.raises(dataclasses.FrozenInstanceError):
        manifest.dataset = "iemocap"  # type: ignore[misc]
