import math
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tokser.errors import SettingsError
from tokser.transcription.load import Transcriber, find_whole
from tokser.transcription.transcript import NO_SPEECH
from tokser.transcription.whisper import _repeats


@pytest.fixture(scope="module")
def model(tiny_transcriber):
    return Transcriber(find_whole(str(tiny_transcriber)), "cpu").model


def noise(seconds, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, int(16_000 * seconds)).astype(np.float32)


@pytest.fixture(scope="module")
def alone(model):
    return [model.transcribe([noise(s, i)], [None])[0] for i, s in enumerate((1, 3, 2))]


@pytest.mark.slow
def test_a_transcript_does_not_depend_on_its_batch(model, alone):
    waves = [noise(s, i) for i, s in enumerate((1, 3, 2))]
    together = model.transcribe(waves, [None] * 3)
    assert [one.text for one in together] == [one.text for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.confidence == pytest.approx(other.confidence, rel=1e-4)


@pytest.mark.slow
def test_text_language_and_confidence_are_there(alone):
    for one in alone:
        assert one.text
        assert one.language in ("en", "de", "pl")
        assert 0 < one.confidence <= 1


@pytest.mark.slow
def test_confidence_is_that_of_the_tokens_one_by_one(model):
    found = model.transcribe([noise(1)], ["de"])[0]
    tokens = model._processor.tokenizer(found.text, add_special_tokens=False).input_ids
    config = model._model.generation_config
    prompt = [
        config.decoder_start_token_id,
        config.lang_to_id["<|de|>"],
        config.task_to_id["transcribe"],
        config.no_timestamps_token_id,
    ]
    with torch.inference_mode():
        states = model._states([noise(1)])
        written = torch.tensor([[*prompt, *tokens]])
        logits = model._model(encoder_outputs=(states,), decoder_input_ids=written).logits[0]
    chances = logits[len(prompt) - 1 : -1].log_softmax(-1)
    wanted = math.exp(float(chances.gather(-1, torch.tensor(tokens)[:, None]).mean()))
    assert found.confidence == pytest.approx(wanted, rel=1e-3)


@pytest.mark.slow
def test_more_than_a_window_is_transcribed_as_a_whole(model):
    found = model.transcribe([noise(31)], ["en"])[0]
    assert found.language == "en"
    assert found.note == NO_SPEECH or 0 < found.confidence <= 1


@pytest.mark.slow
def test_random_numbers_of_the_caller_are_left_alone(model):
    torch.manual_seed(7)
    wanted = torch.rand(1)
    torch.manual_seed(7)
    model.transcribe([noise(31)], [None])
    assert torch.rand(1) == wanted


@pytest.mark.slow
def test_nothing_is_written_where_nobody_speaks(tiny_transcriber):
    deaf = Transcriber(find_whole(str(tiny_transcriber)), "cpu", no_speech_threshold=1e-12).model
    for found in deaf.transcribe([noise(1), noise(31)], ["de", None]):
        assert found.text == ""
        assert found.note == NO_SPEECH
        assert math.isnan(found.confidence)


def test_a_language_that_a_model_lacks_is_refused(model):
    with pytest.raises(SettingsError, match="expected a language that tiny-transcriber knows"):
        model.transcribe([noise(1)], ["fr"])


def test_a_text_in_a_loop_is_told_from_one_that_is_not():
    assert _repeats("so we go and " * 20)
    assert not _repeats("He began a confused complaint against the wizard who had vanished.")
    assert not _repeats("")


@pytest.mark.slow
def test_real_weights_write_what_was_said_and_skip_silence(real_data):
    folder = os.environ.get("TOKSER_TEST_WHISPER", "")
    if not Path(folder, "config.json").is_file():
        pytest.skip("REAL WEIGHTS MISSING: set TOKSER_TEST_WHISPER to a whole whisper-base")
    model = Transcriber(find_whole(folder), "cpu").model
    path = next((real_data / "data" / "LibriSpeech").rglob("1089-134691-0000.flac"))
    speech = soundfile.read(path, dtype="float32")[0]
    said, silent = model.transcribe([speech, np.zeros(32_000, np.float32)], [None, None])
    assert said.text == "He could wait no longer."
    assert said.language == "en"
    assert said.confidence > 0.8
    assert silent.note == NO_SPEECH
