"""Recordings whose header lies or is silent, and files that are no recordings."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tokser.corpora.manifest import probe_recordings
from tokser.corpora.waveform import probe, read_waveform
from tokser.errors import AudioError

RATE_HZ = 44_100
RNG = np.random.default_rng(5)
SECONDS = np.arange(3 * RATE_HZ) / RATE_HZ
SPEECH = 0.3 * np.sin(2 * np.pi * 220 * SECONDS) * (0.6 + 0.4 * np.sin(18 * SECONDS))
SPEECH += 0.01 * RNG.standard_normal(SECONDS.size)


def write(path: Path, samples: np.ndarray = SPEECH, **how: str) -> Path:
    soundfile.write(path, samples, RATE_HZ, **how)
    return path


def mp3(path: Path, *, mode: str = "VARIABLE", samples: np.ndarray = SPEECH) -> Path:
    return write(path, samples, format="MP3", bitrate_mode=mode)


def without_tag(content: bytes) -> bytes:
    """Take off the first frame, which holds nothing but the tag."""
    return content[[found.start() for found in re.finditer(rb"\xff[\xfb\xfa]", content)][1] :]


ID3 = b"ID3\x04\0\0\0\0\x02\0" + bytes(256)


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("before", [b"", ID3])
@pytest.mark.parametrize("after", [b"", b"TAG" + bytes(125)])
def test_an_mp3_without_a_length_is_counted_and_encoded_whole(tmp_path, mode, before, after):
    path = mp3(tmp_path / "a.mp3", mode=mode)
    path.write_bytes(before + without_tag(path.read_bytes()) + after)
    assert probe(path) == (116 * 1152, RATE_HZ)  # all its frames, as FFmpeg counts them
    assert len(read_waveform(path)) == -(-116 * 1152 * 16_000 // RATE_HZ)


@pytest.mark.parametrize("before", [b"", ID3])
def test_an_mp3_that_states_its_length_is_believed(tmp_path, before):
    path = mp3(tmp_path / "a.mp3")
    path.write_bytes(before + path.read_bytes())
    assert probe(path) == (len(SPEECH), RATE_HZ)


def test_an_mp3_of_two_is_both_of_them(tmp_path):
    first, second = (mp3(tmp_path / f"{name}.mp3").read_bytes() for name in "ab")
    path = tmp_path / "both.mp3"
    path.write_bytes(first + without_tag(second))
    assert probe(path) == (2 * 116 * 1152, RATE_HZ)
    heard = read_waveform(path)
    assert np.sqrt(np.mean(heard[-16_000:] ** 2)) > 0.05


def test_a_cut_mp3_that_states_its_length_is_reported(tmp_path):
    path = mp3(tmp_path / "a.mp3")
    path.write_bytes(path.read_bytes()[:-9_000])
    with pytest.raises(AudioError, match="of the 132300 samples that its header states"):
        read_waveform(path)


def states(content: bytes, num_samples: int) -> bytes:
    """Change the 36 bits of STREAMINFO that count the samples."""
    word = int.from_bytes(content[18:26], "big") >> 36 << 36 | num_samples
    return content[:18] + word.to_bytes(8, "big") + content[26:]


@pytest.mark.parametrize("stated", [0, 1_000, 132_299])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_flac_is_as_long_as_its_last_frame_says(tmp_path, stated, channels):
    path = write(tmp_path / "a.flac", np.stack([SPEECH] * channels, axis=1))
    whole = read_waveform(path)
    path.write_bytes(states(path.read_bytes(), stated))
    assert probe(path) == (len(SPEECH), RATE_HZ)
    np.testing.assert_array_equal(read_waveform(path), whole)


def test_a_flac_that_states_more_than_it_has_is_reported(tmp_path):
    path = write(tmp_path / "a.flac")
    path.write_bytes(states(path.read_bytes(), 500_000))
    with pytest.raises(AudioError, match="132300 of the 500000 samples its header states"):
        probe(path)


@pytest.mark.parametrize("kind", ["WAV", "RF64", "WAVEX", "AIFF", "AU", "W64", "NIST", "SVX"])
def test_a_cut_recording_is_reported_whatever_its_format(tmp_path, kind):
    path = write(tmp_path / "a.snd", format=kind, subtype="PCM_16")
    assert probe(path) == (len(SPEECH), RATE_HZ)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(AudioError, match=r"of the \d+ (bytes|samples).*its header states"):
        probe(path)


def manifest_of(root: Path, *names: str):
    rows = [
        {"id": name, "path": name, "speaker": "", "sex": "", "session": "", "language": "", **text}
        for name in names
        for text in [{"transcript": "", "label": "x"}]
    ]
    return probe_recordings("mine", root, rows)


def test_a_file_without_a_header_ends_no_corpus(tmp_path):
    write(tmp_path / "a.wav")
    (tmp_path / "c.raw").write_bytes(bytes(8_000))
    manifest = manifest_of(tmp_path, "a.wav", "c.raw")
    assert list(manifest.table["num_samples"]) == [len(SPEECH), 0]
    (fault,) = manifest.faults
    assert (fault.id, fault.reason) == (
        "c.raw",
        "a .raw file, which states no sampling rate; save it as WAV",
    )


@pytest.mark.parametrize("error", [TypeError, KeyError, ZeroDivisionError, AssertionError, OSError])
def test_whatever_soundfile_raises_is_that_file_s_fault(tmp_path, monkeypatch, error):
    for name in ("a.wav", "b.wav"):
        write(tmp_path / name)
    real = soundfile.SoundFile

    def opened(name, *arguments):
        if str(name).endswith("b.wav"):
            raise error("no such subtype")
        return real(name, *arguments)

    monkeypatch.setattr(soundfile, "SoundFile", opened)
    manifest = manifest_of(tmp_path, "a.wav", "b.wav")
    assert [fault.id for fault in manifest.faults] == ["b.wav"]
    assert "not audio" in manifest.faults[0].reason
    assert "no such subtype" in manifest.faults[0].reason


@pytest.mark.parametrize("factor", [1e12, 1e30])
def test_absurd_samples_are_reported_with_their_peak(tmp_path, factor):
    path = write(tmp_path / "a.wav", np.full(100, factor), subtype="FLOAT")
    with pytest.raises(AudioError, match=re.escape(f"samples of up to {factor:.3g}; full")):
        read_waveform(path)


def test_samples_at_the_scale_of_whole_numbers_are_taken(tmp_path):
    path = write(tmp_path / "a.wav", np.full(100, -32_768.0), subtype="FLOAT")
    assert read_waveform(path).min() < -30_000


def test_a_file_that_may_not_be_read_is_reported_as_such(tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav")
    real = Path.open

    def refuse(self, *arguments, **options):
        if self == path:
            raise PermissionError(13, "Permission denied")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AudioError, match=r"a file that cannot be read \(Permission denied\)"):
        probe(path)
