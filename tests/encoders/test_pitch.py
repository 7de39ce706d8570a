import numpy as np
import pytest

from tokser.encoders.pitch import FRAME, HOP, frames_of, yin

RATE = 16_000


def voiced(hz, seconds=0.5, harmonics=8):
    """A periodic sound with many harmonics, as voices have."""
    time = np.arange(int(seconds * RATE)) / RATE
    waves = [np.sin(2 * np.pi * hz * n * time + n) / n for n in range(1, harmonics + 1)]
    return (0.1 * np.sum(waves, axis=0)).astype(np.float32)


def test_frames_are_cut_every_ten_milliseconds():
    waveform = np.arange(FRAME + 2 * HOP + 5, dtype=np.float32)
    frames = frames_of(waveform)
    assert frames.shape == (3, FRAME)
    assert frames[2, 0] == 2 * HOP


@pytest.mark.parametrize("hz", [70.0, 110.0, 187.3, 233.1, 320.0, 450.0])
def test_the_pitch_of_a_periodic_sound_is_found(hz):
    found = yin(frames_of(voiced(hz)))
    assert np.isfinite(found).all()
    assert found == pytest.approx(np.full(len(found), hz), rel=0.005)


def test_a_missing_fundamental_is_heard():
    time = np.arange(RATE // 2) / RATE
    sound = sum(np.sin(2 * np.pi * 150 * n * time) for n in (2, 3, 4, 5)) / 10
    assert np.nanmedian(yin(frames_of(sound.astype(np.float32)))) == pytest.approx(150, rel=0.01)


def test_noise_and_silence_are_unvoiced():
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert np.isnan(yin(frames_of(noise))).mean() > 0.98
    assert np.isnan(yin(frames_of(np.zeros(RATE, dtype=np.float32)))).all()
    assert np.isnan(yin(frames_of(np.full(RATE, 0.5, dtype=np.float32)))).all()


def test_loudness_does_not_change_pitch():
    loud, soft = (yin(frames_of(scale * voiced(140.0))) for scale in (1.0, 1e-3))
    np.testing.assert_allclose(loud, soft, rtol=1e-3)
