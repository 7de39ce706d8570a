import re
import time
from pathlib import Path

import pytest
import soundfile

from tokser.corpora.registry import scan_corpus
from tokser.errors import InputError
from tokser.testing.corpora import recording
from tokser.testing.corpora.librispeech import write_librispeech

pytest.importorskip("espeakng_loader")


def speakers(root: Path) -> dict[str, list[str]]:
    """Columns of SPEAKERS.TXT by speaker."""
    rows = (
        [cell.strip() for cell in line.split("|")]
        for line in (root / "SPEAKERS.TXT").read_text().splitlines()
        if not line.startswith(";")
    )
    return {row[0]: row for row in rows}


def test_names_and_folders_are_those_of_the_corpus(librispeech_root: Path):
    files = sorted(librispeech_root.glob("*/*/*/*.flac"))
    assert len(files) == 120
    for path in files:
        speaker, chapter, number = path.stem.split("-")
        assert path.parent.name == chapter
        assert path.parents[1].name == speaker
        assert path.parents[2].name in {"train-clean-100", "dev-clean"}
        assert re.fullmatch(r"\d{4}", number)


def test_numbers_of_a_chapter_begin_at_zero_without_a_gap(librispeech_root: Path):
    for chapter in librispeech_root.glob("*/*/*"):
        numbers = sorted(int(path.stem.split("-")[2]) for path in chapter.glob("*.flac"))
        assert numbers == list(range(len(numbers)))


def test_recordings_are_flac_of_16_khz_and_pcm16(librispeech_root: Path):
    for path in librispeech_root.glob("*/*/*/*.flac"):
        info = soundfile.info(path)
        assert (info.format, info.subtype, info.samplerate) == ("FLAC", "PCM_16", 16_000)
        assert 2 < info.duration < 12


def test_transcripts_are_capitals_and_one_for_every_recording(librispeech_root: Path):
    lines = [
        line
        for path in librispeech_root.glob("*/*/*/*.trans.txt")
        for line in path.read_text().splitlines()
    ]
    ids = {path.stem for path in librispeech_root.glob("*/*/*/*.flac")}
    assert {line.split(" ", 1)[0] for line in lines} == ids
    assert len(lines) == len({line.split(" ", 1)[1] for line in lines}) == len(ids)
    assert all(re.fullmatch(r"[\d-]+( [A-Z]+){8,16}", line) for line in lines)


def test_speakers_are_mixed_and_dev_speakers_are_not_in_train(librispeech_root: Path):
    listed = speakers(librispeech_root)
    assert len(listed) == 12
    parts = {part: {s for s in listed if listed[s][2] == part} for part in ("dev-clean",)}
    train = {path.name for path in (librispeech_root / "train-clean-100").iterdir()}
    dev = {path.name for path in (librispeech_root / "dev-clean").iterdir()}
    assert dev == parts["dev-clean"]
    assert not train & dev
    for part in (train, dev):
        assert {listed[speaker][1] for speaker in part} == {"F", "M"}


def test_minutes_are_those_of_the_recordings(librispeech_root: Path):
    for speaker, row in speakers(librispeech_root).items():
        files = librispeech_root.glob(f"*/{speaker}/*/*.flac")
        minutes = sum(soundfile.info(path).duration for path in files) / 60
        assert float(row[3]) == pytest.approx(minutes, abs=0.006)


def test_scanner_reads_the_corpus(librispeech_root: Path):
    manifest = scan_corpus("librispeech", librispeech_root)
    assert not manifest.faults
    assert manifest.table["split"].value_counts().to_dict() == {
        "train-clean-100": 100,
        "dev-clean": 20,
    }
    assert set(manifest.table["sex"]) == {"f", "m"}
    assert manifest.table["transcript"].str.isupper().all()
    dev = scan_corpus("librispeech", librispeech_root, splits=["dev-clean"]).table
    assert set(dev["speaker"]) == {"9002", "9006"}


def test_two_writes_give_equal_bytes_and_another_seed_other_ones(tmp_path: Path, contents):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_librispeech(tmp_path / folder, num_utterances=4, seed=seed)
    one, again, other = (contents(tmp_path / folder) for folder in "abc")
    assert one == again
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one)


def test_a_second_call_is_instant(librispeech_root: Path, contents):
    before, start = contents(librispeech_root), time.perf_counter()
    write_librispeech(librispeech_root, num_utterances=120)
    assert time.perf_counter() - start < 0.5
    assert contents(librispeech_root) == before


def test_an_interrupted_call_goes_on(tmp_path: Path, contents, monkeypatch: pytest.MonkeyPatch):
    write_librispeech(tmp_path / "whole", num_utterances=5)
    calls = 0
    original = recording.resample

    def interrupt(*args):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(recording, "resample", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_librispeech(tmp_path / "halting", num_utterances=5)
    write_librispeech(tmp_path / "halting", num_utterances=5)
    assert calls == 3 + 3
    assert contents(tmp_path / "halting") == contents(tmp_path / "whole")


def test_the_smallest_corpus_has_both_parts(tmp_path: Path):
    write_librispeech(tmp_path, num_utterances=2)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        "train-clean-100",
        "dev-clean",
    }


def test_too_few_utterances_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="num_utterances: expected at least 2"):
        write_librispeech(tmp_path, num_utterances=1)
    assert not list(tmp_path.iterdir())
