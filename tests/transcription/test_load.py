import shutil

import pytest
from safetensors.numpy import load_file, save_file

from tokser.errors import CheckpointError
from tokser.transcription.load import Transcriber, find_whole


def test_an_encoder_without_its_decoder_is_refused(real_data):
    with pytest.raises(CheckpointError, match=r"none of the decoder\. Name a whole Whisper"):
        find_whole(str(real_data / "models" / "whisper-base"))


def test_another_model_is_refused(tiny):
    with pytest.raises(CheckpointError, match=r"got model_type 'wavlm'.*with --transcribe"):
        find_whole(str(tiny / "tiny-wavlm"), option="--transcribe")


def test_a_model_without_settings_for_generation_is_refused(tiny_transcriber, tmp_path):
    shutil.copytree(tiny_transcriber, tmp_path / "model")
    file = tmp_path / "model" / "generation_config.json"
    file.write_text('{"eos_token_id": 3, "decoder_start_token_id": "x"}')
    lacking = "without decoder_start_token_id, no_timestamps_token_id"
    with pytest.raises(CheckpointError, match=lacking):
        find_whole(str(tmp_path / "model"))
    file.unlink()
    with pytest.raises(CheckpointError, match=r"but no generation_config\.json"):
        find_whole(str(tmp_path / "model"))


@pytest.mark.slow
def test_one_missing_weight_of_the_decoder_is_refused(tiny_transcriber, tmp_path):
    shutil.copytree(tiny_transcriber, tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    weights = load_file(file)
    del weights["model.decoder.layers.0.fc1.weight"]
    save_file(weights, file, metadata={"format": "pt"})
    model = Transcriber(find_whole(str(tmp_path / "model")), "cpu").model
    with pytest.raises(CheckpointError, match=r"1 missing.*layers.0.fc1.weight"):
        model.spoken("de")


@pytest.mark.slow
def test_a_missing_tokenizer_is_refused(tiny_transcriber, tmp_path):
    shutil.copytree(tiny_transcriber, tmp_path / "model")
    (tmp_path / "model" / "preprocessor_config.json").unlink()
    model = Transcriber(find_whole(str(tmp_path / "model")), "cpu").model
    with pytest.raises(CheckpointError, match="tokenizer and preprocessor"):
        model._text([1])


def test_what_decides_a_transcript_is_named(tiny_transcriber):
    identity = Transcriber(find_whole(str(tiny_transcriber)), "cpu").identity()
    assert identity["model"] == "tiny-transcriber"
    assert len(identity["weights_sha256"]) == 64
    assert "device" not in identity
