import numpy as np
import pytest
import soundfile

from tokser.corpora import stream
from tokser.corpora.stream import read_blocks
from tokser.corpora.waveform import read_waveform
from tokser.errors import AudioError


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    monkeypatch.setattr(stream, "_BLOCK_S", 2)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("num_samples", [100, 31_999, 100_003])
def test_blocks_are_the_recording_as_it_is_read_whole(tmp_path, rate, num_samples):
    path = tmp_path / "a.wav"
    rng = np.random.default_rng(0)
    soundfile.write(path, rng.normal(0, 0.1, (num_samples, 2)), rate)
    blocks = list(read_blocks(path))
    assert max(map(len, blocks)) <= 2 * 16_000
    whole = read_waveform(path)
    found = np.concatenate(blocks)
    assert len(found) == len(whole)
    np.testing.assert_allclose(found, whole, atol=2e-6)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_part_and_a_channel_are_read_alone(tmp_path, rate):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, (6 * rate, 2)), rate)
    part = (rate, 5 * rate + 7)
    found = np.concatenate(list(read_blocks(path, 1, part)))
    soundfile.write(tmp_path / "b.flac", soundfile.read(path)[0][part[0] : part[1], 1], rate)
    np.testing.assert_allclose(found, read_waveform(tmp_path / "b.flac"), atol=2e-6)


def test_what_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    samples = np.zeros(80_000, dtype=np.float32)
    samples[70_000] = np.nan
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="1 samples of NaN"):
        list(read_blocks(path))
    assert sum(map(len, read_blocks(path, part=(0, 60_000)))) == 60_000
    with pytest.raises(AudioError, match="channel 3 was requested"):
        list(read_blocks(path, 3))
    with pytest.raises(AudioError, match="zero samples"):
        list(read_blocks(path, part=(90_000, 90_000)))
