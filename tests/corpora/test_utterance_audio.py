"""The sound of one utterance."""

import numpy as np
import pytest
import soundfile

from tokser.corpora.utterance_audio import duration_s, read_utterance
from tokser.errors import AudioError

RATE = 16_000
LEFT = np.linspace(-0.5, 0.5, 2 * RATE, dtype=np.float32)


@pytest.fixture
def root(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([LEFT, -LEFT], axis=1), RATE, subtype="FLOAT")
    return tmp_path


def row(**cells: str) -> dict[str, object]:
    return {"path": "a.wav", "num_samples": len(LEFT), "sampling_rate_hz": RATE, **cells}


def test_a_whole_recording_is_the_mean_of_its_channels(root):
    assert np.abs(read_utterance(root, row())).max() < 1e-6
    assert duration_s(row()) == 2.0


def test_a_channel_is_read_alone(root):
    np.testing.assert_allclose(read_utterance(root, row(channel="1")), -LEFT, atol=1e-6)


def test_a_part_begins_and_ends_where_its_row_says(root):
    part = row(channel="0", start_s="0.5", end_s="1.0") | {"num_samples": RATE // 2}
    found = read_utterance(root, part)
    np.testing.assert_allclose(found, LEFT[RATE // 2 : RATE], atol=1e-6)
    assert duration_s(part) == 0.5


def test_a_missing_recording_is_named(root):
    with pytest.raises(AudioError, match=r"b\.wav.*no such file"):
        read_utterance(root, row(path="b.wav"))


def test_an_unusable_utterance_has_no_length():
    assert duration_s({"num_samples": 0, "sampling_rate_hz": 0}) == 0
