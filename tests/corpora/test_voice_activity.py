import builtins

import numpy as np
import pytest
import soundfile
import torch

from tokser.corpora.voice_activity import VoiceActivity, VoiceActivityOptions
from tokser.errors import MissingPackageError


@pytest.fixture(scope="module")
def speech(real_data):
    folder = real_data / "data" / "LibriSpeech"
    silence = np.zeros(24_000, dtype=np.float32)
    parts = [silence]
    for path in sorted(folder.rglob("*.flac"))[:3]:
        parts += [soundfile.read(path, dtype="float32")[0], silence]
    return np.concatenate(parts)[:-5]


@pytest.mark.slow
@pytest.mark.parametrize("longest", [None, 3.0])
def test_spans_are_those_of_the_package_on_all_of_it(speech, longest):
    from silero_vad import get_speech_timestamps, load_silero_vad

    options = VoiceActivityOptions(max_length_s=longest)
    blocks = np.split(speech, [5, 100_000, 100_001, 270_000])
    found = VoiceActivity(options).spans(blocks)
    wanted = get_speech_timestamps(
        torch.from_numpy(speech),
        load_silero_vad(onnx=True),
        min_silence_duration_ms=500,
        speech_pad_ms=100,
        max_speech_duration_s=longest or float("inf"),
    )
    assert found == [(one["start"], one["end"]) for one in wanted]
    assert len(found) >= 3


def test_silence_and_noise_have_no_span():
    detector = VoiceActivity(VoiceActivityOptions())
    noise = np.random.default_rng(0).normal(0, 0.01, 48_000).astype(np.float32)
    assert detector.spans([np.zeros(48_000, dtype=np.float32)]) == []
    assert detector.spans([noise]) == []
    assert detector.spans([]) == []


def test_the_detector_and_its_options_are_named():
    about = VoiceActivity(VoiceActivityOptions(threshold=0.4)).provenance
    assert about["detector"].startswith("silero-vad 6")
    assert len(about["weights_sha256"]) == 64
    assert about["threshold"] == 0.4


def test_torch_keeps_its_threads():
    before = torch.get_num_threads()
    VoiceActivity(VoiceActivityOptions())
    assert torch.get_num_threads() == before


def test_a_missing_package_is_named(monkeypatch):
    there = builtins.__import__

    def without(name, *rest, **kwargs):
        if name.startswith("silero_vad"):
            raise ImportError("No module named 'silero_vad'")
        return there(name, *rest, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r"pip install \"tokser\[vad\]\""):
        VoiceActivity(VoiceActivityOptions())
