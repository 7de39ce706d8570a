"""Recordings in a page."""

import base64
import io

import numpy as np
import pytest
import soundfile

from tokser.errors import MissingPackageError
from tokser.report.embedded_audio import SAMPLING_RATE_HZ, embedded_audio, estimated_bytes

TONE = np.sin(2 * np.pi * 440 * np.arange(SAMPLING_RATE_HZ * 2) / SAMPLING_RATE_HZ).astype("f4")


def decoded(address: str) -> tuple[np.ndarray, int]:
    head, _, content = address.partition(",")
    assert head == "data:audio/ogg;base64"
    file = io.BytesIO(base64.b64decode(content))
    assert soundfile.info(file).subtype == "OPUS"
    file.seek(0)
    return soundfile.read(file, dtype="float32")


def test_a_recording_comes_back_from_a_data_address():
    samples, rate = decoded(embedded_audio(0.5 * TONE))
    assert abs(len(samples) / rate - 2) < 0.05
    spectrum = np.abs(np.fft.rfft(samples[:rate]))
    assert abs(int(spectrum.argmax()) - 440) <= 1
    assert 0.3 < np.sqrt(2 * np.mean(samples**2)) < 0.6


def test_long_recordings_are_encoded_piece_by_piece():
    samples, rate = decoded(embedded_audio(np.tile(0.1 * TONE, 13)))
    assert abs(len(samples) / rate - 26) < 0.05


def test_samples_beyond_full_scale_are_clipped():
    samples, _ = decoded(embedded_audio(3 * TONE))
    assert np.isfinite(samples).all()


def test_the_estimate_counts_seconds_and_recordings():
    rng = np.random.default_rng(0)
    noise = (0.05 * rng.standard_normal(SAMPLING_RATE_HZ * 4)).astype("f4")
    actual = len(embedded_audio(noise))
    assert 0.5 * actual < estimated_bytes([4.0]) < 2 * actual
    assert estimated_bytes([]) == 0
    assert estimated_bytes([1.0, 1.0]) > estimated_bytes([2.0])


def test_a_libsndfile_without_opus_is_named(monkeypatch):
    monkeypatch.setattr(soundfile, "available_subtypes", lambda form: {"VORBIS": "Vorbis"})
    with pytest.raises(MissingPackageError, match="which writes Opus, got libsndfile"):
        embedded_audio(TONE)
