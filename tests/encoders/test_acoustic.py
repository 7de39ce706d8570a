from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from tokser.encoders import SpeechEncoder
from tokser.encoders.acoustic import NAMES, AcousticEncoder, load_acoustic, measure
from tokser.encoders.few_at_once import few_at_once
from tokser.encoders.opensmile import load_opensmile
from tokser.errors import SettingsError
from tokser.stages.encoders import encoders

RATE = 16_000


def measured(waveform):
    return dict(zip(NAMES, measure(waveform.astype(np.float32)).tolist(), strict=True))


def test_energy_is_in_decibels_of_full_scale():
    time = np.arange(RATE) / RATE
    tone = 0.1 * np.sqrt(2) * np.sin(2 * np.pi * 220 * time)
    found = measured(tone)
    assert found["energy_db_mean"] == pytest.approx(-20, abs=0.01)
    assert found["energy_db_std"] < 0.05
    assert found["f0_semitones_mean"] == pytest.approx(36, abs=0.05)  # three octaves above 27.5 Hz
    assert found["f0_semitones_std"] < 0.05
    assert found["voiced_share"] == 1


def test_silence_is_finite_and_unvoiced():
    found = measured(np.zeros(RATE))
    assert found == dict.fromkeys(NAMES, 0) | {"energy_db_mean": -100}


def test_faint_hum_beside_speech_is_not_voiced():
    time = np.arange(RATE) / RATE
    loud = np.where(time < 0.5, 1.0, 1e-3)
    found = measured(0.3 * loud * np.sin(2 * np.pi * 200 * time))
    assert 0.4 < found["voiced_share"] < 0.6


def test_the_encoder_gives_one_row_of_each_waveform():
    encoder = load_acoustic("")
    assert isinstance(encoder, SpeechEncoder)
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    rows = encoder.encode([noise, noise[: encoder.min_samples]], [0])
    assert [one[0].shape for one in rows] == [(1, len(NAMES))] * 2
    assert [encoder.num_frames(n) for n in (799, 800, 959, 960, RATE)] == [0, 1, 1, 2, 96]
    np.testing.assert_array_equal(rows[0][0][0], measure(noise))


def test_it_takes_no_argument_and_is_listed():
    with pytest.raises(SettingsError, match="acoustic:loud"):
        load_acoustic("loud")
    assert "acoustic" in {one.name for one in encoders()}
    assert AcousticEncoder().provenance()["columns"] == {"functionals": list(NAMES)}


def test_few_waveforms_share_a_batch():
    assert few_at_once([4, 4, 4, 20, 1], 9) == [[0, 1], [2], [3], [4]]
    assert few_at_once([], 9) == []


@pytest.mark.slow
def test_pitch_agrees_with_opensmile_and_parts_the_sexes(real_data):
    path = Path(__file__).resolve().parents[2] / "data_manifests" / "emodb.csv"
    table = pd.read_csv(path, comment="#", dtype=str).set_index("id")
    table = table[table["label"].eq("neutral")].iloc[::4]
    wavs = [
        soundfile.read(real_data / f"data/emodb/wav/{one}.wav", dtype="float32")[0]
        for one in table.index
    ]
    found = pd.DataFrame([measure(one) for one in wavs], index=table.index, columns=list(NAMES))
    theirs = load_opensmile("eGeMAPSv02")
    columns = theirs.provenance()["columns"]["functionals"]
    place = columns.index("F0semitoneFrom27.5Hz_sma3nz_amean")
    other = np.array([rows[1][0, place] for rows in theirs.encode(wavs, [1])])
    assert np.corrcoef(found["f0_semitones_mean"], other)[0, 1] > 0.97
    assert np.median(np.abs(found["f0_semitones_mean"] - other)) < 0.6
    pitch, sex = found["f0_semitones_mean"], table["sex"]
    assert pitch[sex.eq("f")].min() > pitch[sex.eq("m")].max()
