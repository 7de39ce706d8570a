from pathlib import Path

import numpy as np
import pytest
import soundfile

from tokser.corpora.librispeech import recognises, scan
from tokser.errors import CorpusError, ManifestError


def add_chapter(split: Path, speaker: str, chapter: str, words: dict[str, str | None]) -> Path:
    folder = split / speaker / chapter
    folder.mkdir(parents=True)
    lines = []
    for number, transcript in words.items():
        name = f"{speaker}-{chapter}-{number}"
        soundfile.write(folder / f"{name}.flac", np.zeros(160), 16_000)
        if transcript is not None:
            lines.append(f"{name} {transcript}\n")
    (folder / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add_chapter(tmp_path / "dev-clean", "84", "121123", {"0000": "GO", "0001": "DO YOU HEAR"})
    add_chapter(tmp_path / "train-clean-100", "103", "1240", {"0000": "CHAPTER ONE", "0001": None})
    (tmp_path / "SPEAKERS.TXT").write_text(
        ";ID  |SEX| SUBSET           |MINUTES| NAME\n"
        "84   | F | dev-clean        | 8.02  | Christie Nowak\n"
        "103  | M | train-clean-100  | 25.03 | Karen | Savage\n"
    )
    return tmp_path


def test_utterances_are_read_from_folders_names_and_transcripts(root: Path) -> None:
    manifest = scan(root)
    assert list(manifest.table.index) == [
        "103-1240-0000",
        "103-1240-0001",
        "84-121123-0000",
        "84-121123-0001",
    ]
    row = manifest.table.loc["84-121123-0001"]
    assert row.to_dict() == {
        "path": "dev-clean/84/121123/84-121123-0001.flac",
        "num_samples": 160,
        "sampling_rate_hz": 16_000,
        "speaker": "84",
        "sex": "f",
        "session": "121123",
        "language": "en",
        "transcript": "DO YOU HEAR",
        "label": "",
        "split": "dev-clean",
    }
    assert manifest.faults == ()


def test_a_recording_without_a_line_has_an_empty_transcript(root: Path) -> None:
    assert scan(root).table.loc["103-1240-0001", "transcript"] == ""


def test_sexes_are_unknown_without_the_list_of_speakers(root: Path) -> None:
    assert scan(root).table["sex"].to_dict()["103-1240-0000"] == "m"
    (root / "SPEAKERS.TXT").unlink()
    assert set(scan(root).table["sex"]) == {""}


def test_a_folder_around_librispeech_is_accepted(root: Path, tmp_path: Path) -> None:
    around = tmp_path / "Korpora für Sprache"
    around.mkdir()
    for part in ("dev-clean", "train-clean-100", "SPEAKERS.TXT"):
        (around / "LibriSpeech").mkdir(exist_ok=True)
        (root / part).rename(around / "LibriSpeech" / part)
    manifest = scan(around)
    assert manifest.root == around
    assert all((around / path).is_file() for path in manifest.table["path"])
    assert set(manifest.table["sex"]) == {"f", "m"}


def test_only_the_splits_that_were_asked_for_are_read(root: Path) -> None:
    assert set(scan(root, splits=["dev-clean"]).table["split"]) == {"dev-clean"}
    assert len(scan(root, splits=["dev-clean", "dev-clean"]).table) == 2


def test_a_missing_split_is_named_with_the_existing_ones(root: Path) -> None:
    with pytest.raises(CorpusError, match="no test-clean; there are dev-clean, train-clean-100"):
        scan(root, splits=["dev-clean", "test-clean"])


def test_the_same_id_in_two_splits_is_a_manifest_error(root: Path) -> None:
    add_chapter(root / "dev-other", "84", "121123", {"0000": "GO"})
    with pytest.raises(ManifestError, match=r"84-121123-0000 2 times \(dev-\w+/.*, dev-\w+/"):
        scan(root)


def test_a_recording_in_another_readers_chapter_is_named(root: Path) -> None:
    folder = root / "dev-clean" / "84" / "121123"
    (folder / "84-121123-0000.flac").rename(folder / "85-121123-0000.flac")
    with pytest.raises(CorpusError, match=r"dev-clean/84/121123/85-121123-0000\.flac"):
        scan(root)


def test_unreadable_audio_is_a_fault(root: Path) -> None:
    (root / "dev-clean/84/121123/84-121123-0000.flac").write_text("no audio")
    (fault,) = scan(root).faults
    assert fault.id == "84-121123-0000"
    assert "not audio" in fault.reason


def test_hidden_files_are_no_recordings(root: Path) -> None:
    (root / "dev-clean/84/121123/._84-121123-0000.flac").write_bytes(b"resource fork")
    (root / "dev-clean/84/121123/._84-121123.trans.txt").write_bytes(b"\x00\x05")
    assert len(scan(root).table) == 4


def test_only_librispeech_is_recognised(root: Path, tmp_path: Path) -> None:
    assert recognises(root)
    assert not recognises(root / "dev-clean")
    assert not recognises(tmp_path / "nothing")


def test_the_real_corpus_is_read(real_data: Path) -> None:
    manifest = scan(real_data / "data")
    assert len(manifest.table) == 5
    assert manifest.table["speaker"].nunique() == 4
    assert manifest.table.loc["1089-134691-0000", "transcript"] == "HE COULD WAIT NO LONGER"
    assert manifest.table.loc["61-70968-0000", "num_samples"] == 78_480
    assert manifest.faults == ()
