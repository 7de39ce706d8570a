"""Recordings on the page."""

import re
import shutil

import numpy as np
import pytest

from tokser.corpora.utterance_audio import read_utterance
from tokser.report.recordings import HEIGHT, WIDTH, embed, waveform_path


def test_recordings_are_read_and_their_size_is_said_before(explorable, capsys):
    found = embed(["utt001", explorable.odd], explorable.store, read_utterance, title="EmoDB",
                  folders=[explorable.root])  # fmt: skip
    assert list(found.recordings) == ["utt001", explorable.odd]
    assert found.recordings["utt001"].audio.startswith("data:audio/ogg;base64,")
    assert found.recordings["utt001"].duration_s == 0.5
    assert "EmoDB: 2 recordings, 1 s, add about 0.0 MB" in capsys.readouterr().err


def test_a_corpus_that_is_gone_is_said_with_the_way_out(explorable, capsys):
    found = embed(["utt001", "utt002"], explorable.store, read_utterance, title="EmoDB")
    assert found.recordings == {}
    assert set(found.faults) == {"utt001", "utt002"}
    said = " ".join(capsys.readouterr().err.split())
    assert "2 of 2 recordings cannot be read" in said and "--root" in said


def test_one_missing_recording_does_not_stop_the_others(explorable, tmp_path, capsys):
    shutil.copytree(explorable.root / "wav", tmp_path / "wav")
    (tmp_path / "wav" / "utt002.wav").unlink()
    found = embed(["utt001", "utt002"], explorable.store, read_utterance, title="EmoDB",
                  folders=[tmp_path])  # fmt: skip
    assert list(found.recordings) == ["utt001"]
    assert list(found.faults) == ["utt002"]
    assert "1 of 2 recordings" in capsys.readouterr().err


@pytest.mark.parametrize("num_samples", [1, 299, 16_000])
def test_the_outline_fills_its_picture(num_samples):
    samples = np.sin(np.arange(num_samples) + 1).astype(np.float32)
    numbers = [int(n) for n in re.findall(r"-?\d+", waveform_path(samples))]
    assert min(numbers) >= 0
    assert max(numbers[::2]) <= WIDTH and max(numbers[1::2]) <= HEIGHT
    assert min(numbers[1::2]) == 0 or max(numbers[1::2]) == HEIGHT


def test_silence_is_a_line():
    path = waveform_path(np.zeros(8_000, dtype=np.float32))
    assert set(re.findall(r" (\d+)", path)) == {str(HEIGHT // 2)}
