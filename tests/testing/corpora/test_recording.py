from pathlib import Path

import numpy as np
import pytest
import soundfile

from tokser.errors import InputError
from tokser.testing.corpora import recording
from tokser.testing.corpora.recording import (
    Recording,
    SyntheticCorpus,
    seconds_of,
    write_recordings,
)
from tokser.testing.corpora.voice import Voice

TEXTS = ["One.", "Two two.", "Three three three."]


@pytest.fixture
def fake_speech(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A synthesiser that notes what it was asked for, and makes a tenth of a second a word."""
    asked: list[str] = []

    def speak(text: str, voice: Voice) -> tuple[np.ndarray, int]:
        asked.append(text)
        return np.linspace(-(2**14), 2**14, 1600 * len(text.split())).astype(np.int16), 16_000

    monkeypatch.setattr(recording, "speak", speak)
    return asked


def planned(folder: Path, suffix: str = ".wav") -> list[Recording]:
    return [Recording(folder / f"{i}{suffix}", t, Voice("en-us")) for i, t in enumerate(TEXTS)]


@pytest.mark.parametrize(("suffix", "sound_format"), [(".wav", "WAV"), (".flac", "FLAC")])
def test_files_are_16_khz_mono_pcm16(
    tmp_path: Path, fake_speech: list[str], suffix: str, sound_format: str
):
    write_recordings(planned(tmp_path, suffix), description="Test")
    info = soundfile.info(tmp_path / f"2{suffix}")
    assert (info.format, info.subtype, info.samplerate, info.channels) == (
        sound_format,
        "PCM_16",
        16_000,
        1,
    )
    assert seconds_of(tmp_path / f"2{suffix}") == pytest.approx(0.3)
    samples, _ = soundfile.read(tmp_path / f"2{suffix}")
    assert samples[[0, -1]] == pytest.approx([-0.5, 0.5], abs=1e-4)


def test_files_that_are_there_are_not_spoken_again(tmp_path: Path, fake_speech: list[str]):
    write_recordings(planned(tmp_path), description="Test")
    (tmp_path / "1.wav").unlink()
    fake_speech.clear()
    write_recordings(planned(tmp_path), description="Test")
    assert fake_speech == [TEXTS[1]]


def test_no_partial_files_stay(tmp_path: Path, fake_speech: list[str]):
    write_recordings(planned(tmp_path), description="Test")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.wav", "1.wav", "2.wav"]


def test_progress_is_shown(
    tmp_path: Path, fake_speech: list[str], capsys: pytest.CaptureFixture[str]
):
    write_recordings(planned(tmp_path), description="Speaking a test")
    assert "Speaking a test: 3/3 utterances" in capsys.readouterr().err


def test_a_corpus_goes_from_begun_to_finished(tmp_path: Path):
    root = tmp_path / "new" / "corpus"
    assert not SyntheticCorpus(root, {"seed": 0}).is_finished
    begun_again = SyntheticCorpus(root, {"seed": 0})
    assert not begun_again.is_finished
    begun_again.finish()
    assert SyntheticCorpus(root, {"seed": 0}).is_finished


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path):
    (tmp_path / "03a01Fa.wav").write_bytes(b"real")
    with pytest.raises(InputError, match=r"expected an empty folder.*got other files"):
        SyntheticCorpus(tmp_path, {"seed": 0})
    assert [path.name for path in tmp_path.iterdir()] == ["03a01Fa.wav"]


@pytest.mark.parametrize("finished", [False, True])
def test_a_corpus_of_another_seed_is_left_alone(tmp_path: Path, finished: bool):
    corpus = SyntheticCorpus(tmp_path, {"seed": 0})
    if finished:
        corpus.finish()
    with pytest.raises(InputError, match=r"this very corpus \(\{'seed': 1\}\)"):
        SyntheticCorpus(tmp_path, {"seed": 1})
    assert SyntheticCorpus(tmp_path, {"seed": 0}).is_finished == finished
