"""The log-mel against the one of transformers."""

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from tokser.encoders.log_mel import HOP, LogMel

WINDOW = 480_000


def by_transformers(waveform, num_mels, **padding):
    extractor = WhisperFeatureExtractor(feature_size=num_mels)
    inputs = extractor(waveform, sampling_rate=16_000, return_tensors="np", **padding)
    return inputs.input_features[0]


def distance(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def noise(num_samples):
    rng = np.random.default_rng(num_samples)
    return (rng.normal(0, 0.1, num_samples) * np.linspace(0, 1, num_samples)).astype(np.float32)


@pytest.mark.parametrize("num_mels", [80, 128])
@pytest.mark.parametrize("num_samples", [1, 399, 32_000, 32_123, 479_500, 479_800, 479_999, WINDOW])
def test_a_padded_window_equals_transformers(num_samples, num_mels):
    waveform = noise(num_samples)
    found = LogMel(num_mels)(torch.from_numpy(waveform)[None], WINDOW)[0].numpy()
    wanted = by_transformers(waveform, num_mels)
    assert found.shape == wanted.shape == (num_mels, 3_000)
    assert distance(found, wanted) < 1e-4
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize("num_samples", [320, 32_000, 32_123, 32_319])
def test_a_window_cut_to_the_utterance_equals_transformers(num_samples):
    waveform = noise(num_samples)
    frames = -(-num_samples // 320)
    found = LogMel(80)(torch.from_numpy(waveform)[None], 2 * HOP * frames)[0].numpy()
    wanted = by_transformers(waveform, 80, padding="longest", pad_to_multiple_of=320)
    assert found.shape == wanted.shape == (80, 2 * frames)
    assert distance(found, wanted) < 1e-4


def test_real_speech_equals_transformers(real_data):
    import soundfile

    waveform, _ = soundfile.read(real_data / "data/emodb/wav/03a01Fa.wav", dtype="float32")
    found = LogMel(80)(torch.from_numpy(waveform)[None], WINDOW)[0].numpy()
    assert distance(found, by_transformers(waveform, 80)) < 1e-4


def test_rows_do_not_change_each_other():
    loud, quiet = noise(32_000), 1e-3 * noise(16_000)
    rows = torch.zeros(2, 32_000)
    rows[0], rows[1, :16_000] = torch.from_numpy(loud), torch.from_numpy(quiet)
    together = LogMel(80)(rows, WINDOW)
    for row, waveform in enumerate((loud, quiet)):
        alone = LogMel(80)(torch.from_numpy(waveform)[None], WINDOW)[0]
        np.testing.assert_allclose(together[row], alone, rtol=1e-5, atol=1e-6)


def test_silence_is_silence_all_over():
    found = LogMel(80)(torch.zeros(1, 16_000), WINDOW)
    assert found.unique().tolist() == [-1.5]
