import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tokser.corpora.registry import class_names, scan_corpus
from tokser.errors import InputError
from tokser.testing.corpora.emodb import write_emodb

pytest.importorskip("espeakng_loader")

ROW = re.compile(
    rb"(\d+)\xa0\xa0\t(\d\d[ab]\d\d[WLEAFTN][a-f]\.wav)"
    rb"\t(\d+),\d\d\xa0{5}\t(\d+),\d\d\xa0{5}"
)


def measured(root: Path, pattern: str) -> np.ndarray:
    """Seconds and root mean square of the recordings whose names match, averaged."""
    rows = []
    for path in sorted((root / "wav").glob(pattern)):
        samples, rate = soundfile.read(path)
        rows.append((len(samples) / rate, np.sqrt(np.mean(samples**2))))
    return np.mean(rows, axis=0)


def test_names_are_those_of_the_corpus(emodb_root: Path):
    names = sorted(path.name for path in (emodb_root / "wav").iterdir())
    assert len(names) == 10 * 7 * 3
    assert all(re.fullmatch(r"\d\d[ab]\d\d[WLEAFTN]a\.wav", name) for name in names)
    assert sorted({name[:2] for name in names}) == [
        *("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
    ]
    assert set(Counter(name[:2] for name in names).values()) == {21}
    assert Counter(name[5] for name in names) == dict.fromkeys("WLEAFTN", 30)


def test_recordings_are_mono_pcm16_of_16_khz(emodb_root: Path):
    for path in (emodb_root / "wav").iterdir():
        info = soundfile.info(path)
        assert (info.format, info.subtype, info.samplerate, info.channels) == (
            "WAV",
            "PCM_16",
            16_000,
            1,
        )


def test_listening_test_has_the_real_file_s_form(emodb_root: Path):
    header, *rows = (emodb_root / "erkennung.txt").read_bytes().splitlines()
    assert header == b"Nr.\tSatz\terkannt\tnatuerlich"
    matches = [ROW.fullmatch(row) for row in rows]
    assert all(matches)
    assert [int(m[1]) for m in matches] == list(range(1, 211))
    assert {m[2].decode() for m in matches} == {p.name for p in (emodb_root / "wav").iterdir()}


def test_rows_match_the_form_of_the_real_listening_test(real_data: Path):
    header, *rows = (real_data / "data/emodb/erkennung.txt").read_bytes().splitlines()
    assert header == b"Nr.\tSatz\terkannt\tnatuerlich"
    others = [row for row in rows if not ROW.fullmatch(row)]
    assert len(rows) == 816
    assert len(others) == 1  # the last, which has lost some padding


def test_speakers_differ_in_duration_and_loudness(emodb_root: Path):
    found = np.array([measured(emodb_root, f"{s}*") for s in ("03", "08", "09", "10", "11", "12")])
    for column in found.T:
        assert len(np.unique(np.round(column, 4))) == len(column)


def test_emotions_differ_as_they_should(emodb_root: Path):
    (anger_s, anger_rms), (sad_s, sad_rms), (neutral_s, neutral_rms) = (
        measured(emodb_root, f"*{letter}a.wav") for letter in "WTN"
    )
    assert anger_s < 0.95 * neutral_s < 0.9 * sad_s
    assert anger_rms > 1.2 * neutral_rms > 1.4 * sad_rms


def recordings(root: Path, code: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "wav").glob(f"??{code}*.wav")}


def test_equal_seeds_give_equal_bytes_whatever_else_is_written(emodb_root: Path, tmp_path: Path):
    write_emodb(tmp_path, sentences=["a05"])
    assert recordings(tmp_path, "a05") == recordings(emodb_root, "a05")


def test_another_seed_gives_other_bytes(emodb_root: Path, tmp_path: Path):
    write_emodb(tmp_path, sentences=["a01"], seed=1)
    one, other = recordings(tmp_path, "a01"), recordings(emodb_root, "a01")
    assert one.keys() == other.keys()
    assert sum(one[name] == other[name] for name in one) < 0.1 * len(one)


def test_scanner_reads_the_corpus(emodb_root: Path):
    manifest = scan_corpus("emodb", emodb_root)
    assert not manifest.faults
    assert manifest.table["label"].value_counts().to_dict() == dict.fromkeys(
        class_names("emodb"), 30
    )
    assert manifest.table["speaker"].nunique() == 10
    assert set(manifest.table["sampling_rate_hz"]) == {16_000}
    assert manifest.table["recognition_percent"].notna().all()
    assert manifest.table.loc["03a01Wa", "transcript"] == "Der Lappen liegt auf dem Eisschrank."


def test_scanner_selects_the_recognised_ones(emodb_root: Path):
    chosen = scan_corpus("emodb", emodb_root, subset="recognised").table
    assert 30 < len(chosen) < 180
    assert set(chosen["label"]) == set(class_names("emodb"))


@pytest.mark.parametrize("codes", [["a03"], ["a01", "a01"], []])
def test_codes_are_checked(tmp_path: Path, codes: list[str]):
    with pytest.raises(InputError, match="sentences: expected different codes out of a01, a02"):
        write_emodb(tmp_path, sentences=codes)
    assert not list(tmp_path.iterdir())
