import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.corpora import sound_file, waveform
from tokser.corpora.waveform import SAMPLING_RATE_HZ, probe, read_waveform, resampled_length
from tokser.errors import AudioError, MissingPackageError

RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000)


def noise(num_samples: int, *, channels: int = 1) -> np.ndarray:
    drawn = np.random.default_rng(0).uniform(-0.5, 0.5, (num_samples, channels))
    return drawn.astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = SAMPLING_RATE_HZ, **how: str) -> Path:
    soundfile.write(path, samples, rate, **how)
    return path


def test_a_16_khz_mono_recording_is_returned_as_it_is(tmp_path: Path) -> None:
    samples = noise(1000)
    got = read_waveform(write(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, samples[:, 0])


def test_channels_are_averaged(tmp_path: Path) -> None:
    samples = noise(1000, channels=2)
    got = read_waveform(write(tmp_path / "a.wav", samples, subtype="FLOAT"))
    np.testing.assert_allclose(got, (samples[:, 0] + samples[:, 1]) / 2, atol=1e-7)


def kaiser_sinc(samples: np.ndarray, rate: int) -> np.ndarray:
    """The same filter as a plain sum: sinc, cut at 0.9476 of Nyquist, under a Kaiser window."""
    cutoff = 0.9475937167399596 * min(rate, 16_000)  # both sides of 0 Hz
    times = np.arange(resampled_length(len(samples), rate)) / 16_000
    apart = (times[:, None] - np.arange(len(samples)) / rate) * cutoff
    inside = np.clip(1 - (apart / 64) ** 2, 0, None)
    window = np.i0(14.769656459379492 * np.sqrt(inside)) / np.i0(14.769656459379492)
    taps = np.sinc(apart) * np.where(np.abs(apart) < 64, window, 0) * cutoff / rate
    return taps @ samples.astype(np.float64)


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate != SAMPLING_RATE_HZ])
def test_other_rates_are_resampled_by_a_windowed_sinc(tmp_path: Path, rate: int) -> None:
    samples = noise(rate // 40 + 1)
    got = read_waveform(write(tmp_path / "a.wav", samples, rate, subtype="FLOAT"))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, kaiser_sinc(samples[:, 0], rate), atol=5e-5)


def level_db(tmp_path: Path, tone_hz: float, rate: int) -> float:
    """What resampling leaves of a tone of amplitude 0.5, in dB, but for the ends."""
    tone = 0.5 * np.sin(2 * np.pi * tone_hz * np.arange(rate // 2) / rate)
    got = read_waveform(write(tmp_path / "a.wav", tone, rate, subtype="FLOAT"))[800:-800]
    return float(20 * np.log10(np.sqrt(2 * np.mean(got.astype(np.float64) ** 2)) / 0.5))


@pytest.mark.parametrize("rate", [22_050, 24_000, 44_100, 48_000])
def test_resampling_keeps_speech_without_aliasing(tmp_path: Path, rate: int) -> None:
    for tone_hz in (100, 1_000, 7_000):
        assert level_db(tmp_path, tone_hz, rate) == pytest.approx(0, abs=0.01)
    for tone_hz in (8_100, 9_000, 10_500):
        assert level_db(tmp_path, tone_hz, rate) < -90


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_blocks_of_a_long_recording_are_those_of_the_whole(monkeypatch, rate: int) -> None:
    samples = noise(rate * 3 + rate // 3)[:, 0]
    whole = waveform.resample(samples, rate)
    monkeypatch.setattr(waveform, "_BLOCK_S", 1)
    found = waveform.resample(samples, rate)
    assert found.shape == whole.shape
    np.testing.assert_allclose(found, whole, atol=1e-6)


def test_a_tone_stays_the_tone_when_resampled(tmp_path: Path) -> None:
    seconds = np.arange(44_100) / 44_100
    path = write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * seconds), 44_100)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(read_waveform(path)[200:-200], expected[200:-200], atol=2e-3)


@settings(max_examples=40, deadline=None)
@given(num_samples=st.integers(1, 5_000), rate=st.sampled_from(RATES))
def test_resampled_length_is_that_of_torchaudio(num_samples: int, rate: int) -> None:
    resampled = torchaudio.functional.resample(torch.zeros(num_samples), rate, 16_000)
    assert resampled_length(num_samples, rate) == len(resampled)


@settings(max_examples=25, deadline=None)
@given(num_samples=st.integers(1, 3_000), rate=st.sampled_from(RATES))
def test_resampled_length_of_the_header_is_that_of_the_waveform(
    tmp_path_factory: pytest.TempPathFactory, num_samples: int, rate: int
) -> None:
    path = write(tmp_path_factory.mktemp("audio") / "a.wav", noise(num_samples), rate)
    assert probe(path) == (num_samples, rate)
    assert len(read_waveform(path)) == resampled_length(num_samples, rate)


def test_the_last_sample_is_kept_where_torchaudio_rounds_it_away(tmp_path: Path) -> None:
    # 100,189 samples at 11,025 Hz are 145,399 and 1/441 at 16 kHz: fp32 has no such number.
    samples = noise(100_189)
    path = write(tmp_path / "a.wav", samples, 11_025, subtype="FLOAT")
    given = torch.from_numpy(samples[:, 0])
    plain = torchaudio.functional.resample(given, 11_025, 16_000, **waveform._FILTER)
    assert resampled_length(100_189, 11_025) == len(plain) + 1
    got = read_waveform(path)
    assert len(got) == len(plain) + 1
    np.testing.assert_allclose(got[:-1], plain.numpy(), atol=1e-6)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_one_sample_is_enough(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, noise(1), 44_100)
    assert probe(path) == (1, 44_100)
    assert read_waveform(path).shape == (1,)


def test_recordings_of_several_blocks_are_read_whole(tmp_path: Path) -> None:
    samples = noise(8_000 * 150, channels=2)
    path = write(tmp_path / "a.flac", samples, 8_000)
    assert probe(path) == (8_000 * 150, 8_000)
    got = read_waveform(path)
    assert got.shape == (16_000 * 150,)
    # Every other sample is an old one, but for what the filter takes off the top.
    middle = samples[400_000:700_000].mean(axis=1)
    assert np.corrcoef(got[800_000:1_400_000:2], middle)[0, 1] > 0.97


def test_non_ascii_paths_work(tmp_path: Path) -> None:
    folder = tmp_path / "Äußerungen 语音"
    folder.mkdir()
    path = write(folder / "wütend ß.flac", noise(50))
    assert probe(path) == (50, 16_000)
    assert read_waveform(path).shape == (50,)


def test_real_flac_and_wav_are_read(real_data: Path) -> None:
    flac = real_data / "data/LibriSpeech/test-clean/61/70968/61-70968-0000.flac"
    assert probe(flac) == (78_480, 16_000)
    assert read_waveform(flac).shape == (78_480,)
    wav = real_data / "data/emodb/wav/03a01Wa.wav"
    assert read_waveform(wav).shape == (probe(wav)[0],)


def empty(path: Path) -> Path:
    path.touch()
    return path


def not_audio(path: Path) -> Path:
    path.write_text("this is a web page that says 404" * 20)
    return path


def no_samples(path: Path) -> Path:
    return write(path.with_suffix(".wav"), noise(0))


def missing(path: Path) -> Path:
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


FAULTS = {
    missing: "no such file",
    empty: r"an empty file \(0 bytes\)",
    not_audio: r"a file that is not audio \(.*[Ff]ormat not recognised\)",
    no_samples: "a recording of zero samples",
    folder: "not a regular file",
}


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("read", [probe, read_waveform])
def test_what_the_header_gives_away_is_an_audio_error(tmp_path: Path, make, read) -> None:
    path = make(tmp_path / "a.flac")
    with pytest.raises(AudioError, match=FAULTS[make]) as caught:
        read(path)
    assert caught.value.where == str(path)
    assert "Fetch the file again" in str(caught.value)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999])
def test_a_truncated_flac_is_an_audio_error(tmp_path: Path, share: float) -> None:
    path = write(tmp_path / "a.flac", noise(60_000))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(AudioError, match=r"truncated or damaged|of the 60000 samples"):
        read_waveform(path)


def test_fewer_samples_than_the_header_states_is_an_audio_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.wav", noise(100))
    read = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda self, *a, **k: read(self, *a, **k)[:0])
    with pytest.raises(AudioError, match="zero samples"):
        read_waveform(path)
    left = iter([80, 0])
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda self, *a, **k: read(self, *a, **k)[: next(left)]
    )
    with pytest.raises(AudioError, match="80 of the 100 samples that its header states"):
        read_waveform(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_an_audio_error(tmp_path: Path, value: float) -> None:
    samples = noise(100)
    samples[7] = value
    path = write(tmp_path / "a.wav", samples, 44_100, subtype="FLOAT")
    with pytest.raises(AudioError, match="1 samples of NaN or inf"):
        read_waveform(path)


def test_a_torchaudio_that_does_not_fit_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    with pytest.raises(MissingPackageError, match=r"torchaudio: expected .* Run `tokser doctor`"):
        read_waveform(write(tmp_path / "a.wav", noise(100), 8_000))
    # What is at 16 kHz already needs no torchaudio.
    assert read_waveform(write(tmp_path / "b.wav", noise(100))).shape == (100,)


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_a_truncated_wav_is_an_audio_error(tmp_path: Path, subtype: str) -> None:
    path = write(tmp_path / "a.wav", noise(4_000), subtype=subtype)
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(AudioError, match=r"\d+ of the \d+ bytes that its header states"):
        probe(path)


@pytest.mark.parametrize("length", [0, 2**32 - 1])
def test_a_streamed_wav_without_a_length_is_read(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "a.wav", noise(4_000))
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = length.to_bytes(4, "little")
    path.write_bytes(data)
    sound_file._refuse_cut_wav(path)


@pytest.mark.parametrize("rate", [16_000, 8_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_part_is_that_of_the_whole_waveform(tmp_path, rate, channels):
    path = write(tmp_path / "a.wav", noise(4 * rate + 77, channels=channels), rate)
    whole = read_waveform(path)
    for first, after in ((0, 16_000), (17_001, 40_001), (50_000, len(whole)), (0, len(whole))):
        part = waveform.read_part(path, first, after)
        np.testing.assert_allclose(part, whole[first:after], atol=1e-6)
    assert len(waveform.read_part(path, len(whole) - 10, len(whole) + 10)) == 10


@pytest.mark.parametrize("ending", ["flac", "mp3", "ogg"])
def test_a_part_of_a_compressed_recording(tmp_path, ending):
    path = write(tmp_path / f"a.{ending}", noise(48_000))
    part = waveform.read_part(path, 20_000, 30_000)
    np.testing.assert_allclose(part, read_waveform(path)[20_000:30_000], atol=1e-4)


def test_a_part_beyond_the_end_and_one_of_nan_are_refused(tmp_path):
    samples = noise(16_000)
    samples[9_000] = np.nan
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert len(waveform.read_part(path, 0, 8_000)) == 8_000
    with pytest.raises(AudioError, match="1 samples of NaN"):
        waveform.read_part(path, 8_000, 16_000)
    with pytest.raises(AudioError, match=r"no sample from 2\.00 s on"):
        waveform.read_part(path, 32_000, 48_000)
