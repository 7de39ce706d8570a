"""What every encoder promises, held against plain transformers."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoFeatureExtractor,
    AutoTokenizer,
    BertModel,
    WavLMModel,
    WhisperModel,
)

from tokser.encoders import load_encoder
from tokser.encoders.base import choose_layers, layer_name
from tokser.errors import SettingsError

CPU = torch.device("cpu")
SPEECH = ("tiny-whisper", "tiny-wavlm", "tiny-wavlm-large")


def load(tiny, name):
    return load_encoder(str(tiny / name), revision=None, device=CPU)


def plain_speech(tiny, name, waveform):
    """All layers of one waveform, by transformers alone."""
    extractor = AutoFeatureExtractor.from_pretrained(tiny / name)
    inputs = extractor(waveform, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        if name == "tiny-whisper":
            model = WhisperModel.from_pretrained(tiny / name, dtype=torch.float32).eval()
            output = model.encoder(inputs.input_features, output_hidden_states=True)
        else:
            model = WavLMModel.from_pretrained(tiny / name, dtype=torch.float32).eval()
            output = model(inputs.input_values, output_hidden_states=True)
    return [states[0].numpy() for states in output.hidden_states]


@pytest.mark.parametrize("name", SPEECH)
def test_speech_layers_equal_plain_transformers(tiny, waveforms, name):
    encoder = load(tiny, name)
    layers = choose_layers(encoder, "all")
    for waveform in waveforms:
        (found,) = encoder.encode([waveform], layers)
        wanted = plain_speech(tiny, name, waveform)
        assert len(wanted) == encoder.num_layers + 1 == len(layers)
        for layer in layers:
            frames = wanted[layer][: encoder.num_frames(len(waveform))]
            assert found[layer].shape == (encoder.num_frames(len(waveform)), encoder.dim)
            np.testing.assert_allclose(found[layer], frames, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SPEECH)
def test_neighbours_do_not_change_an_utterance(tiny, waveforms, name):
    encoder = load(tiny, name)
    last = [encoder.num_layers]
    alone = [encoder.encode([waveform], last)[0][last[0]] for waveform in waveforms]
    together = {}
    for batch in encoder.batches([len(waveform) for waveform in waveforms], 120.0):
        results = encoder.encode([waveforms[i] for i in batch], last)
        together |= {i: result[last[0]] for i, result in zip(batch, results, strict=True)}
    for position, wanted in enumerate(alone):
        error = np.linalg.norm(together[position] - wanted) / np.linalg.norm(wanted)
        assert error < 1e-5


@pytest.mark.parametrize("name", SPEECH)
def test_every_waveform_is_in_one_batch_within_the_budget(tiny, waveforms, name):
    encoder = load(tiny, name)
    lengths = [len(waveform) for waveform in waveforms] * 5
    batches = encoder.batches(lengths, batch_seconds=60.0)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(batches)
    if name == "tiny-whisper":
        assert max(map(len, batches)) == 2


def test_long_audio_is_cut_into_windows_of_thirty_seconds(tiny):
    encoder = load(tiny, "tiny-whisper")
    long = np.random.default_rng(1).normal(0, 0.1, 16_000 * 70).astype(np.float32)
    (found,) = encoder.encode([long], [2])
    assert found[2].shape == (3_500, encoder.dim)
    (second,) = encoder.encode([long[480_000:960_000]], [2])
    np.testing.assert_allclose(found[2][1_500:3_000], second[2], rtol=1e-4, atol=1e-5)


def test_one_sample_has_one_frame(tiny):
    (found,) = load(tiny, "tiny-whisper").encode([np.zeros(1, dtype=np.float32)], [2])
    assert found[2].shape == (1, 64)


def test_text_layers_equal_plain_transformers(tiny):
    encoder = load(tiny, "tiny-bert")
    texts = ["Das will sie am Mittwoch abgeben.", "a man", "Tüten"]
    model = BertModel.from_pretrained(tiny / "tiny-bert", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny / "tiny-bert")
    ids = encoder.tokenize(texts)
    found = encoder.encode(ids, [0, 1, 2])
    for text, token_ids, layers in zip(texts, ids, found, strict=True):
        inputs = tokenizer(text, return_tensors="pt")
        assert inputs["input_ids"][0].tolist() == token_ids.tolist()
        with torch.no_grad():
            wanted = model(**inputs, output_hidden_states=True).hidden_states
        for layer in (0, 1, 2):
            np.testing.assert_allclose(layers[layer], wanted[layer][0], rtol=1e-4, atol=1e-5)


def test_word_embeddings_are_rows_of_the_table(tiny):
    encoder = load(tiny, "tiny-bert")
    table = BertModel.from_pretrained(tiny / "tiny-bert").embeddings.word_embeddings.weight
    ids = np.array([0, 7, 7, 3], dtype=np.int32)
    np.testing.assert_array_equal(encoder.word_embeddings(ids), table[ids].detach().numpy())


def test_capitals_without_case_are_read_as_lower_case(tiny):
    encoder = load(tiny, "tiny-bert")
    capitals, lower = encoder.tokenize(["A MAN SAID", "a man said"])
    assert capitals.tolist() == lower.tolist()


def test_layers_have_names_of_their_own(tiny):
    speech, text = load(tiny, "tiny-wavlm"), load(tiny, "tiny-bert")
    assert [layer_name(speech, i) for i in choose_layers(speech, "all")] == [
        f"layer-{i}" for i in range(speech.num_layers + 1)
    ]
    assert layer_name(text, choose_layers(text, "last")[0]) == "contextual"
    assert layer_name(text, 0) == "layer-0"


@pytest.mark.parametrize("wanted", ["first", "9", "-1", "0,,1", ""])
def test_a_wrong_choice_of_layers_says_which_there_are(tiny, wanted):
    with pytest.raises(SettingsError, match="numbers from 0 to 2"):
        choose_layers(load(tiny, "tiny-whisper"), wanted)
