import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokser.errors import InputError, MissingPackageError, RunError
from tokser.testing.corpora.voice import SAMPLING_RATE_HZ, Voice, synthesise

espeakng_loader = pytest.importorskip("espeakng_loader")

SENTENCE = "The quick brown fox jumps over the lazy dog."
# Breath and whisper draw noise, flutter and gain carry over: all of them must be reset.
SPOKEN = [
    (SENTENCE, Voice("en-us+f3")),
    ("She sells sea shells by the shore.", Voice("en-us+whisper")),
    ("Das schwarze Stück Papier liegt da oben.", Voice("de+m4", 220, 80, 90, 200)),
    ("Why?", Voice("en-us+klatt2", 90, 10, 0, 40)),
]


def fundamental_hz(waveform: np.ndarray) -> float:
    """Median over voiced frames of 40 ms of the autocorrelation's peak between 60 and 400 Hz."""
    size = SAMPLING_RATE_HZ // 25
    found = []
    for start in range(0, len(waveform) - size, size // 2):
        frame = waveform[start : start + size].astype(np.float64)
        frame -= frame.mean()
        if np.mean(frame**2) < 0.1 * np.mean(waveform**2):
            continue
        correlation = np.correlate(frame, frame, "full")[size - 1 :]
        shortest, longest = SAMPLING_RATE_HZ // 400, SAMPLING_RATE_HZ // 60
        lag = shortest + int(correlation[shortest:longest].argmax())
        if correlation[lag] > 0.5 * correlation[0]:
            found.append(SAMPLING_RATE_HZ / lag)
    return float(np.median(found))


def loudness(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.mean(waveform.astype(np.float64) ** 2)))


@pytest.fixture(scope="module")
def alone() -> list[bytes]:
    return [synthesise(text, voice).tobytes() for text, voice in SPOKEN]


@settings(max_examples=8, deadline=None)
@given(order=st.lists(st.integers(0, len(SPOKEN) - 1), min_size=2, max_size=6))
def test_an_utterance_does_not_depend_on_those_before_it(alone: list[bytes], order: list[int]):
    for position in order:
        assert synthesise(*SPOKEN[position]).tobytes() == alone[position]


def test_the_clock_does_not_reach_the_waveform(alone: list[bytes]):
    time.sleep(1.1)
    assert [synthesise(*spoken).tobytes() for spoken in SPOKEN] == alone


def test_waveforms_are_float32_in_range_and_of_plausible_length():
    waveform = synthesise(SENTENCE, Voice("en-us+m1", 175, 50, 50, 200))
    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    assert 0.3 < np.abs(waveform).max() <= 1
    # Nine words at 175 words a minute take 3.1 s.
    assert 2.0 < len(waveform) / SAMPLING_RATE_HZ < 4.0


@pytest.mark.parametrize("name", ["en-us+f2", "de+m3"])
def test_pitch_raises_the_fundamental_frequency(name: str):
    low, middle, high = (
        fundamental_hz(synthesise(SENTENCE, Voice(name, pitch=pitch))) for pitch in (10, 50, 90)
    )
    assert low * 1.25 < middle
    assert middle * 1.25 < high


def test_female_variants_speak_higher_than_male_ones():
    female, male = (fundamental_hz(synthesise(SENTENCE, Voice(f"en-us+{v}"))) for v in ("f2", "m2"))
    assert female > 1.5 * male


def test_rate_shortens_and_volume_amplifies():
    voice = Voice("en-us+m3")
    plain = synthesise(SENTENCE, voice)
    fast = synthesise(SENTENCE, replace(voice, rate_wpm=300))
    quiet = synthesise(SENTENCE, replace(voice, volume=50))
    assert len(fast) < 0.7 * len(plain)
    assert len(quiet) == len(plain)
    assert 0.4 < loudness(quiet) / loudness(plain) < 0.6


def test_pitch_range_zero_is_more_monotone():
    def spread(pitch_range: int) -> float:
        waveform = synthesise(SENTENCE, Voice("en-us+m3", pitch_range=pitch_range))
        return float(
            np.std([fundamental_hz(part) for part in np.array_split(waveform, 6) if part.any()])
        )

    assert spread(0) < 0.5 * spread(99)


@pytest.mark.parametrize("name", ["xx", "en-us+nobody", "", "+f2"])
def test_unknown_voice_is_refused(name: str):
    with pytest.raises(InputError, match="voice: expected a language and variant of espeak-ng"):
        synthesise("Hello.", Voice(name))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("rate_wpm", 79, "expected rate_wpm from 80 to 450, got 79"),
        ("pitch", 100, "expected pitch from 0 to 99, got 100"),
        ("pitch_range", -1, "expected pitch_range from 0 to 99, got -1"),
        ("volume", 201, "expected volume from 0 to 200, got 201"),
    ],
)
def test_values_that_espeak_would_clip_are_refused(field: str, value: int, message: str):
    with pytest.raises(InputError, match=message):
        Voice("en-us", **{field: value})


@pytest.mark.parametrize(("text", "volume"), [("", 100), ("Hello.", 0)])
def test_silence_is_an_error(text: str, volume: int):
    with pytest.raises(RunError, match="got silence"):
        synthesise(text, Voice("en-us", volume=volume))


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingPackageError, match=r'Run pip install "tokser\[demo\]"\.'):
        synthesise("Hello.", Voice("en-us"))


def data_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let espeak-ng find its data under another name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(espeakng_loader.get_data_path(), target_is_directory=True)
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(path))


def of_length(folder: Path, num_bytes: int) -> Path:
    missing = num_bytes - len(os.fsencode(folder)) - 1
    assert missing > 0, f"{folder} is too long for this test"
    return folder / ("d" * missing)


def test_data_may_lie_under_a_non_ascii_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: list[bytes]
):
    data_at(tmp_path / "größer 日本" / "d", monkeypatch)
    assert synthesise(*SPOKEN[0]).tobytes() == alone[0]


def test_longest_data_path_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: list[bytes]
):
    data_at(of_length(tmp_path, 159), monkeypatch)
    assert synthesise(*SPOKEN[0]).tobytes() == alone[0]


def test_longer_data_path_is_refused_with_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data_at(of_length(tmp_path, 160), monkeypatch)
    with pytest.raises(InputError, match=r"at most 159 bytes.*got 160 bytes.*shorter path"):
        synthesise(*SPOKEN[0])


def test_missing_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(InputError, match=r"espeak-ng's data.*without phontab"):
        synthesise(*SPOKEN[0])


def test_unreadable_data_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "phontab").write_bytes(b"not a table of phonemes")
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(InputError, match=r"a folder that espeak-ng cannot read"):
        synthesise(*SPOKEN[0])
    monkeypatch.undo()
    assert synthesise(*SPOKEN[0]).any()
