"""Speech models without a class of their own, held against plain transformers; own-encoder.md."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import (
    AutoFeatureExtractor,
    AutoModel,
    EncodecConfig,
    EncodecFeatureExtractor,
    EncodecModel,
)

from tokser.corpora.manifest import Manifest
from tokser.encoders import SpeechEncoder, generic, load_encoder
from tokser.encoders.checkpoint import quiet_transformers
from tokser.encoders.layers import layer_name, parse_layers
from tokser.errors import CheckpointError
from tokser.extraction.count_rows import count_frames
from tokser.testing.encoders import OTHER_FAMILIES, build_tiny_speech

CPU = torch.device("cpu")
OVER_TIME = [name for name in OTHER_FAMILIES if name not in ("ast", "clap")]
BATCHING = dict.fromkeys(OTHER_FAMILIES, "equal lengths") | dict.fromkeys(
    ("unispeech-sat-large", "wav2vec2-bert", "ast", "clap"), "padded"
)
LOADED: dict = {}


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    return tmp_path_factory.mktemp("others")


def load(others, name):
    if name not in LOADED:
        build_tiny_speech(others / name, family=name)
        LOADED[name] = load_encoder(str(others / name), revision=None, device=CPU)
    return LOADED[name]


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, num_samples).astype(np.float32)


def distance(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


@pytest.mark.parametrize("name", OVER_TIME)
def test_rows_are_those_of_plain_transformers(others, name):
    encoder = load(others, name)
    assert isinstance(encoder, SpeechEncoder)
    layers = parse_layers(encoder, "all")
    with quiet_transformers():
        plain: object = AutoModel.from_pretrained(others / name).eval()
        prepare = AutoFeatureExtractor.from_pretrained(others / name)
    if name == "speech-to-text":
        plain = plain.get_encoder()
    for samples in (encoder.min_samples, 7_777, 16_000):
        given = prepare(noise(samples), sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            wanted = plain(**given, output_hidden_states=True)
        (found,) = encoder.encode([noise(samples)], layers)
        count = encoder.num_frames(samples)
        for rows in found.values():
            assert rows.shape == (count, 64)
        np.testing.assert_allclose(
            found[layers[-1]], wanted.last_hidden_state[0, :count], rtol=1e-4, atol=1e-5
        )
        if "sew" not in name:
            np.testing.assert_allclose(
                found[1], wanted.hidden_states[1][0, :count], rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("name", OTHER_FAMILIES)
def test_batches_are_taken_only_where_they_change_nothing(others, name):
    encoder = load(others, name)
    assert encoder.batching == BATCHING[name]
    given = [noise(16_000, 1), noise(12_345, 2), noise(16_000, 3), noise(encoder.min_samples, 4)]
    last = parse_layers(encoder, "last")
    for batch in encoder.batches([len(one) for one in given], 30.0):
        together = encoder.encode([given[place] for place in batch], last)
        for place, found in zip(batch, together, strict=True):
            (alone,) = encoder.encode([given[place]], last)
            assert found[last[0]].shape == (encoder.num_frames(len(given[place])), encoder.dim)
            assert distance(found[last[0]], alone[last[0]]) < 1e-5
    if BATCHING[name] == "equal lengths":
        assert sorted(map(sorted, encoder.batches([5, 7, 5, 7, 9], 30.0))) == [[0, 2], [1, 3], [4]]


def test_encoding_one_by_one_is_said_once(others, monkeypatch, caplog):
    monkeypatch.setattr(generic, "find_batching", lambda *_: "one by one")
    build_tiny_speech(others / "unispeech", family="unispeech")
    encoder = load_encoder(str(others / "unispeech"), revision=None, device=CPU)
    with caplog.at_level(logging.INFO, logger="tokser"):
        assert encoder.batches([16_000, 16_000], 30.0) == [[0], [1]]
        encoder.batches([16_000], 30.0)
    assert caplog.messages == [
        "unispeech: other recordings of a batch change its rows, so each is encoded alone"
    ]


def names(encoder):
    return [layer_name(encoder, layer) for layer in parse_layers(encoder, "all")]


def test_layers_are_named_by_what_there_is(others):
    assert names(load(others, "unispeech-sat")) == ["layer-0", "layer-1", "layer-2"]
    assert names(load(others, "unispeech-sat-large")) == ["layer-0", "layer-1", "layer-2", "last"]
    assert names(load(others, "sew")) == names(load(others, "clap")) == ["last"]


@pytest.mark.parametrize(
    ("name", "window", "row"), [("ast", 161_600, 1_600), ("clap", 160_000, 5_000)]
)
def test_inputs_of_fixed_size_are_windows_without_padding(others, name, window, row):
    encoder = load(others, name)
    samples = window + 30_001
    assert encoder.num_frames(samples) == window // row + -(-30_001 // row)
    (last,) = parse_layers(encoder, "last")
    (whole,) = encoder.encode([noise(samples)], [last])
    (first,) = encoder.encode([noise(samples)[:window]], [last])
    (second,) = encoder.encode([noise(samples)[window:]], [last])
    np.testing.assert_allclose(whole[last], np.concatenate([first[last], second[last]]), atol=1e-5)
    assert encoder.provenance()["window_s"] == window / 16_000
    assert encoder.provenance()["trim"] == f"ceil(num_samples / {row})"


def test_a_last_window_may_be_shorter_than_the_shortest(others):
    encoder = load(others, "ast")
    assert encoder.min_samples == 400
    (last,) = parse_layers(encoder, "last")
    (found,) = encoder.encode([noise(161_600 + 10)], [last])
    assert found[last].shape == (102, 64)


def test_columns_of_patches_are_means_over_frequency(others):
    encoder = load(others, "ast")
    with quiet_transformers():
        plain = AutoModel.from_pretrained(others / "ast").eval()
        prepare = AutoFeatureExtractor.from_pretrained(others / "ast")
    given = prepare(noise(32_000), sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        patches = plain(**given).last_hidden_state[0, 2:]
    (last,) = parse_layers(encoder, "last")
    (found,) = encoder.encode([noise(32_000)], [last])
    wanted = patches.reshape(12, 101, 64).mean(0)[:20]
    np.testing.assert_allclose(found[last], wanted, rtol=1e-4, atol=1e-5)


def test_long_recordings_are_cut_into_windows_that_overlap(others, monkeypatch):
    encoder = load(others, "wav2vec2-bert")
    long = noise(48_321)
    assert encoder.provenance_of_long(len(long)) == {}
    monkeypatch.setattr(generic, "WINDOW_S", 1)
    monkeypatch.setattr(generic, "OVERLAP_S", 0.5)
    assert encoder.provenance_of_long(len(long)) == {"window_s": 1.0, "window_overlap_s": 0.5}
    (found,) = encoder.encode([long], [2])
    assert found[2].shape == (encoder.num_frames(len(long)), 64)
    first = encoder._formula.shortest(50)
    (window,) = encoder.encode([long[:first]], [2])
    np.testing.assert_allclose(found[2][:38], window[2][:38], atol=1e-5)


def one_utterance(tmp_path, num_samples):
    row = {"path": "a.wav", "num_samples": num_samples, "sampling_rate_hz": 16_000}
    return Manifest("emodb", tmp_path, pd.DataFrame([row], index=["a"]), ())


def test_a_recording_that_is_too_short_is_quarantined(others, tmp_path):
    encoder = load(others, "wav2vec2-bert")
    found = count_frames(encoder, one_utterance(tmp_path, 559))
    assert found.quarantined == {0: "559 samples at 16 kHz, wav2vec2-bert needs 560"}
    assert count_frames(encoder, one_utterance(tmp_path, 560)).lengths.tolist() == [1]


def test_without_a_formula_rows_are_counted_one_by_one(others, tmp_path, monkeypatch):
    known = load(others, "unispeech")
    monkeypatch.setattr(generic, "learn_row_formula", lambda *_: None)
    encoder = load_encoder(str(others / "unispeech"), revision=None, device=CPU)
    for samples in (400, 719, 720, 5_000):
        assert encoder.num_frames(samples) == known.num_frames(samples)
    found = count_frames(encoder, one_utterance(tmp_path, 60 * 16_000 + 1))
    assert found.quarantined == {0: "960001 samples at 16 kHz, unispeech takes at most 960000"}


def test_bf16_is_near_fp32(others):
    exact = load(others, "unispeech-sat")
    short = load_encoder(str(others / "unispeech-sat"), revision=None, device=CPU, precision="bf16")
    (found,), (wanted,) = (one.encode([noise(16_000)], [2]) for one in (short, exact))
    assert 1e-5 < distance(found[2], wanted[2]) < 3e-2


def test_provenance_names_the_preprocessor(others):
    found = load(others, "clap").provenance()
    assert found["model_type"] == "clap"
    assert found["resampled_to_hz"] == 48_000
    assert found["preprocessor"]["padding"] == "repeatpad"
    json.dumps(found)


def test_a_model_without_hidden_states_is_refused(tmp_path):
    config = EncodecConfig(
        num_filters=4, hidden_size=16, codebook_size=16, codebook_dim=16, num_lstm_layers=1
    )
    with quiet_transformers():
        EncodecModel(config).save_pretrained(tmp_path / "codec")
        EncodecFeatureExtractor().save_pretrained(tmp_path / "codec")
    with pytest.raises(CheckpointError, match=r"codec: expected a speech model that gives hidden"):
        load_encoder(str(tmp_path / "codec"), revision=None, device=CPU)


def test_a_folder_without_preprocessor_says_what_is_missing(others, tmp_path):
    build_tiny_speech(tmp_path / "sew", family="sew")
    (tmp_path / "sew" / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"expected preprocessor_config\.json or processor"):
        load_encoder(str(tmp_path / "sew"), revision=None, device=CPU)
