"""What every encoder promises, held against plain transformers."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoFeatureExtractor, AutoModel, AutoTokenizer, WhisperModel

from tokser.corpora.manifest import Manifest
from tokser.device import keep_to_one_thread, one_thread
from tokser.encoders import SpeechEncoder, TextEncoder, bert, load_encoder, wav2vec2
from tokser.encoders.base import precision_of
from tokser.encoders.batch_shapes import fixed_shape_batches
from tokser.encoders.checkpoint import quiet_transformers
from tokser.encoders.layers import last_layer, layer_name, parse_layers
from tokser.errors import SettingsError
from tokser.extraction.count_rows import count_frames, count_tokens

CPU = torch.device("cpu")
WHISPER = ("tiny-whisper", "tiny-whisper-128")
WAVEFORM = (
    "tiny-wavlm",
    "tiny-wavlm-large",
    "tiny-hubert",
    "tiny-hubert-large",
    "tiny-wav2vec2",
    "tiny-wav2vec2-large",
    "tiny-data2vec",
)
TEXT = ("tiny-bert", "tiny-bert-cased", "tiny-roberta", "tiny-xlm-roberta", "tiny-distilbert")
SPEECH = (*WHISPER, *WAVEFORM)
LAST_APART = ("tiny-wavlm-large", "tiny-hubert-large", "tiny-wav2vec2-large")
"""Those whose last hidden state is not the output of their last block."""
TOLERANCE = {"fp32": 1e-5, "bf16": 1e-2}
"""Relative L2 distance that other utterances of the batch may make."""

LOADED: dict = {}


def load(tiny, name, **options):
    key = (name, *sorted(options.items()))
    if key not in LOADED:
        LOADED[key] = load_encoder(str(tiny / name), revision=None, device=CPU, **options)
    return LOADED[key]


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, num_samples).astype(np.float32)


def distance(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def plain_model(folder, kind=AutoModel):
    with quiet_transformers():
        return kind.from_pretrained(folder, dtype=torch.float32).eval()


def plain_layers(name, output):
    """All layers by transformers alone, and the last hidden state where it is none of them."""
    states = [one[0].numpy() for one in output.hidden_states]
    last = output.last_hidden_state[0].numpy()
    assert np.array_equal(states[-1], last) == (name not in LAST_APART)
    return [*states, last] if name in LAST_APART else states


def plain_speech(tiny, name, waveform):
    """All layers of one waveform, by transformers alone."""
    extractor = AutoFeatureExtractor.from_pretrained(tiny / name)
    inputs = extractor(waveform, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        if name in WHISPER:
            model = plain_model(tiny / name, WhisperModel)
            output = model.encoder(inputs.input_features, output_hidden_states=True)
        else:
            output = plain_model(tiny / name)(inputs.input_values, output_hidden_states=True)
    return plain_layers(name, output)


@pytest.mark.parametrize("name", SPEECH)
def test_speech_layers_equal_plain_transformers(tiny, waveforms, name):
    encoder = load(tiny, name)
    layers = parse_layers(encoder, "all")
    for waveform in waveforms[1:]:
        (found,) = encoder.encode([waveform], layers)
        wanted = plain_speech(tiny, name, waveform)
        assert len(wanted) == encoder.num_layers + 1 + (name in LAST_APART) == len(layers)
        assert parse_layers(encoder, "last") == [len(wanted) - 1]
        for layer in layers:
            frames = wanted[layer][: encoder.num_frames(len(waveform))]
            assert found[layer].shape == (encoder.num_frames(len(waveform)), encoder.dim)
            np.testing.assert_allclose(found[layer], frames, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TEXT)
def test_text_layers_equal_plain_transformers(tiny, name):
    encoder = load(tiny, name)
    texts = ["Das will sie am Mittwoch abgeben.", "a man", "Tüten"]
    model, tokenizer = plain_model(tiny / name), AutoTokenizer.from_pretrained(tiny / name)
    layers = parse_layers(encoder, "all")
    ids = encoder.tokenize(texts)
    for text, token_ids, found in zip(texts, ids, encoder.encode(ids, layers), strict=True):
        inputs = tokenizer(text, return_tensors="pt")
        assert inputs["input_ids"][0].tolist() == token_ids.tolist()
        with torch.no_grad():
            wanted = plain_layers(name, model(**inputs, output_hidden_states=True))
        assert len(wanted) == len(layers)
        for layer in layers:
            np.testing.assert_allclose(found[layer], wanted[layer], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("name", SPEECH)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_neighbours_do_not_change_an_utterance(tiny, name, precision, data):
    encoder = load(tiny, name, precision=precision, context="fit")
    lengths = data.draw(
        st.lists(st.integers(encoder.min_samples, 12_000), min_size=2, max_size=5), label="lengths"
    )
    waveforms = [noise(length, seed) for seed, length in enumerate(lengths)]
    layers = parse_layers(encoder, "all")
    # Together whatever their lengths: `batches` would only ever put near-equal ones into a pass.
    for waveform, together in zip(waveforms, encoder.encode(waveforms, layers), strict=True):
        (alone,) = encoder.encode([waveform], layers)
        for layer in layers:
            assert together[layer].dtype == np.float32
            assert distance(together[layer], alone[layer]) < TOLERANCE[precision]


@pytest.mark.parametrize("precision", TOLERANCE)
def test_neighbours_do_not_change_a_padded_window(tiny, precision):
    encoder = load(tiny, "tiny-whisper", precision=precision)
    waveforms = [noise(length, length) for length in (800, 20_803, 8_000)]
    for waveform, together in zip(waveforms, encoder.encode(waveforms, [2]), strict=True):
        (alone,) = encoder.encode([waveform], [2])
        assert distance(together[2], alone[2]) < TOLERANCE[precision]


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("name", TEXT)
@settings(max_examples=6, deadline=None)
@given(texts=st.lists(st.text("abc Tü.", min_size=1, max_size=80), min_size=2, max_size=6))
def test_neighbours_change_no_bit_of_a_transcript(tiny, name, precision, texts):
    encoder = load(tiny, name, precision=precision)
    layers = parse_layers(encoder, "all")
    ids = encoder.tokenize(texts)
    for token_ids, together in zip(ids, encoder.encode(ids, layers), strict=True):
        (alone,) = encoder.encode([token_ids], layers)
        for layer in layers:
            assert together[layer].dtype == np.float32
            np.testing.assert_array_equal(together[layer], alone[layer])


@pytest.mark.parametrize("name", TEXT)
def test_batches_of_many_rows_give_the_values_of_single_rows(tiny, name, monkeypatch):
    """As on a GPU: equal transcripts among others, and in another company."""
    encoder = load(tiny, name)
    texts = ["a man", "a b", "a b c", "man a", "c b", "a man", "b c", "b", "a"]
    ids = encoder.tokenize(texts)
    last = encoder.num_layers
    alone = [encoder.encode([one], [last])[0][last] for one in ids]
    monkeypatch.setattr(
        bert, "fixed_shape_batches", lambda given, rows: fixed_shape_batches(given, 4)
    )
    found = [one[last] for one in encoder.encode(ids, [last])]
    for rows, wanted in zip(found, alone, strict=True):
        np.testing.assert_allclose(rows, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[0], found[5])
    (first, second) = encoder.encode([ids[0], ids[3]], [last])
    np.testing.assert_array_equal(first[last], found[0])
    np.testing.assert_array_equal(second[last], found[3])


@pytest.mark.parametrize("context", ["pad", "fit"])
@pytest.mark.parametrize("name", SPEECH)
def test_every_waveform_is_in_one_batch_within_the_budget(tiny, name, context):
    encoder = load(tiny, name, context=context)
    lengths = np.random.default_rng(0).integers(8_000, 240_000, 200).tolist()
    batches = encoder.batches(lengths, batch_seconds=60.0)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(batches)
    if name in WHISPER and context == "pad":
        assert max(map(len, batches)) == 2
    else:
        padded = [max(lengths[i] for i in batch) * len(batch) for batch in batches]
        assert max(padded) <= 60 * 16_000
        assert sum(lengths) >= 0.95 * sum(padded)
        assert len(batches) < 60


@pytest.mark.parametrize("name", [*SPEECH, *TEXT])
def test_any_choice_of_layers_gives_the_same_bits(tiny, name):
    encoder = load(tiny, name, context="fit")
    # Of unlike lengths, so that there is padding to skip and to mask.
    speech, text = [noise(1_200), noise(2_600)], ["a man", "a man said to the universe"]
    given = speech if name in SPEECH else encoder.tokenize(text)
    everything = parse_layers(encoder, "all")
    whole = encoder.encode(given, everything)
    for layers in [*([layer] for layer in everything), everything[:2], everything[::2]]:
        for found, wanted in zip(encoder.encode(given, layers), whole, strict=True):
            assert list(found) == layers
            for layer in layers:
                np.testing.assert_array_equal(found[layer], wanted[layer])


@pytest.mark.parametrize("precision", TOLERANCE)
def test_a_layer_of_a_padded_window_has_the_same_bits_alone(tiny, precision):
    encoder = load(tiny, "tiny-whisper", precision=precision)
    given = [noise(8_000)]
    (whole,) = encoder.encode(given, [0, 1, 2])
    for layer in (0, 1, 2):
        (alone,) = encoder.encode(given, [layer])
        np.testing.assert_array_equal(alone[layer], whole[layer])


@pytest.mark.parametrize("name", [*WAVEFORM, *TEXT])
def test_all_layers_come_out_of_one_forward(tiny, name):
    encoder = load(tiny, name)
    given = [noise(8_000)] if name in SPEECH else encoder.tokenize(["a man said"])
    batches = []
    handle = encoder._model.register_forward_pre_hook(lambda *_: batches.append(1))
    encoder.encode(given, parse_layers(encoder, "all"))
    handle.remove()
    assert len(batches) == 1
    if name in TEXT:
        assert encoder._model.get_input_embeddings().weight.dtype == torch.float32


@pytest.mark.parametrize("name", [*SPEECH, *TEXT])
def test_encoders_that_take_threads_compute_the_same_in_them(tiny, name):
    encoder = load(tiny, name)
    takes_threads = getattr(encoder, "takes_threads", lambda: False)()
    assert takes_threads == (name in WHISPER)  # others keep state of a forward in their modules
    if not takes_threads:
        return
    given = [encoder.prepare([noise(4_000 + 900 * place, place)]) for place in range(24)]
    layers = parse_layers(encoder, "all")

    def compute(prepared):
        return encoder.forward(prepared, layers).fetch()[0]

    with one_thread():
        alone = [compute(one) for one in given]
    with ThreadPoolExecutor(4, initializer=keep_to_one_thread) as pool:
        together = list(pool.map(compute, given))
    for one, other in zip(alone, together, strict=True):
        for layer in layers:
            np.testing.assert_array_equal(one[layer], other[layer])


@pytest.mark.parametrize("name", [*SPEECH, *TEXT])
def test_bf16_is_near_fp32(tiny, name):
    encoders = [load(tiny, name, precision=precision) for precision in ("fp32", "bf16")]
    given = [noise(8_000)] if name in SPEECH else encoders[0].tokenize(["a man said"])
    last = last_layer(encoders[0])
    exact, short = (encoder.encode(given, [last])[0][last] for encoder in encoders)
    assert 1e-5 < distance(short, exact) < 3e-2


@pytest.mark.parametrize("name", [*SPEECH, *TEXT])
def test_provenance_names_model_weights_and_precision(tiny, name):
    config = json.loads((tiny / name / "config.json").read_text())
    for precision, written in (("fp32", "float32"), ("bf16", "bfloat16")):
        encoder = load(tiny, name, precision=precision, context="fit")
        found = encoder.provenance()
        assert found["model"] == name == encoder.name
        assert found["model_type"] == config["model_type"]
        assert len(found["weights_sha256"]) == 64
        assert found["precision"] == written
        assert precision_of(found) == precision
        assert found.get("context") == ("fit" if name in WHISPER else None)
        json.dumps(found)
        assert isinstance(encoder, SpeechEncoder if name in SPEECH else TextEncoder)
    if name in WAVEFORM:
        assert found["normalise_waveform"] == (name != "tiny-wavlm")
    if name in TEXT:
        tokenizer = AutoTokenizer.from_pretrained(tiny / name)
        ids = tokenizer("a")["input_ids"]
        assert found["special_token_ids"] == [ids[0], ids[-1]]


@pytest.mark.parametrize("name", [*SPEECH, *TEXT])
def test_fp16_is_refused_on_a_processor(tiny, name):
    with pytest.raises(SettingsError, match=r"fp32 or bf16 on a CPU.*Use --precision bf16"):
        load_encoder(str(tiny / name), revision=None, device=CPU, precision="fp16")


def one_utterance(tmp_path, **columns):
    row = {"path": "a.wav", "num_samples": 8_000, "sampling_rate_hz": 16_000, "transcript": "a"}
    return Manifest("emodb", tmp_path, pd.DataFrame([row | columns], index=["a"]), ())


@pytest.mark.parametrize("name", WAVEFORM)
def test_a_recording_shorter_than_a_frame_is_quarantined(tiny, tmp_path, name):
    encoder = load(tiny, name)
    assert encoder.min_samples == 400
    short = count_frames(encoder, one_utterance(tmp_path, num_samples=399))
    assert short.quarantined == {0: f"399 samples at 16 kHz, {name} needs 400"}
    enough = count_frames(encoder, one_utterance(tmp_path, num_samples=400))
    assert enough.lengths.tolist() == [1]
    (found,) = encoder.encode([noise(400)], [1])
    assert found[1].shape == (1, 64)


@pytest.mark.parametrize("name", TEXT)
def test_text_beyond_max_tokens_is_quarantined(tiny, tmp_path, name):
    encoder = load(tiny, name)
    assert encoder.max_tokens == 512
    one, two = (len(ids) for ids in encoder.tokenize(["a", "a a"]))
    words = (512 - one) // (two - one) + 1
    within = count_tokens(encoder, one_utterance(tmp_path, transcript="a " * words))
    num_tokens = one + (words - 1) * (two - one)
    assert within.lengths.tolist() == [num_tokens]
    (found,) = encoder.encode(within.token_ids, [encoder.num_layers])
    assert found[encoder.num_layers].shape == (num_tokens, 64)
    beyond = count_tokens(encoder, one_utterance(tmp_path, transcript="a " * (words + 1)))
    assert beyond.quarantined == {0: f"{num_tokens + two - one} tokens, {name} takes 512"}


@pytest.mark.parametrize("context", ["pad", "fit"])
@pytest.mark.parametrize("name", WHISPER)
def test_one_sample_has_one_frame(tiny, name, context):
    (found,) = load(tiny, name, context=context).encode([np.zeros(1, dtype=np.float32)], [2])
    assert found[2].shape == (1, 64)


@pytest.mark.parametrize("context", ["pad", "fit"])
def test_long_audio_is_cut_into_windows_of_thirty_seconds(tiny, context):
    encoder = load(tiny, "tiny-whisper", context=context)
    long = noise(16_000 * 70)
    (found,) = encoder.encode([long], [2])
    assert found[2].shape == (3_500, encoder.dim)
    (second,) = encoder.encode([long[480_000:960_000]], [2])
    assert distance(found[2][1_500:3_000], second[2]) < 1e-5
    (third,) = encoder.encode([long[960_000:]], [2])
    assert distance(found[2][3_000:], third[2]) < 1e-5


@pytest.mark.parametrize("name", ["tiny-wavlm", "tiny-wav2vec2-large"])
def test_long_waveforms_are_cut_into_windows_that_overlap(tiny, name, monkeypatch):
    encoder = load(tiny, name)
    layers = parse_layers(encoder, "all")
    short, long = noise(16_000), noise(16_000 * 3 + 4_321)
    (whole,) = encoder.encode([short], layers)
    monkeypatch.setattr(wav2vec2, "WINDOW_S", 1)
    monkeypatch.setattr(wav2vec2, "OVERLAP_S", 0.5)
    assert encoder.provenance_of_long(len(short)) == {}
    assert encoder.provenance_of_long(len(long)) == {"window_s": 1.0, "window_overlap_s": 0.5}
    seen = []
    handle = encoder._model.encoder.layers[0].register_forward_pre_hook(
        lambda _, given: seen.append(given[0].shape[1])
    )
    found, between, again = encoder.encode([long, short, long], layers)
    handle.remove()
    assert max(seen) <= 50
    for layer in layers:
        assert found[layer].shape == (encoder.num_frames(len(long)), 64)
        np.testing.assert_array_equal(between[layer], whole[layer])
        np.testing.assert_array_equal(again[layer], found[layer])
    normalised = encoder._normalised(long)
    rows = normalised[None, 25 * 320 : 74 * 320 + 400]
    states = encoder._hidden_states(rows, [49 * 320 + 400], [2])
    np.testing.assert_array_equal(found[2][38:63], states[2][0, 13:38])


def test_fit_and_pad_agree_where_nothing_is_to_be_padded(tiny):
    whole, half = noise(480_000), noise(240_000)
    pad, fit = (load(tiny, "tiny-whisper", context=context) for context in ("pad", "fit"))
    assert distance(fit.encode([whole], [2])[0][2], pad.encode([whole], [2])[0][2]) < 1e-5
    assert distance(fit.encode([half], [2])[0][2], pad.encode([half], [2])[0][2]) > 1e-2


def test_fit_is_the_plain_encoder_with_its_positions_cut(tiny):
    waveform = noise(16_000)
    model = plain_model(tiny / "tiny-whisper", WhisperModel).encoder
    extractor = AutoFeatureExtractor.from_pretrained(tiny / "tiny-whisper")
    mel = extractor(waveform, sampling_rate=16_000, padding=False, return_tensors="pt")
    model.config.max_source_positions = 50
    model.embed_positions = torch.nn.Embedding.from_pretrained(model.embed_positions.weight[:50])
    with torch.no_grad():
        wanted = model(mel.input_features, output_hidden_states=True).hidden_states
    (found,) = load(tiny, "tiny-whisper", context="fit").encode([waveform], [0, 1, 2])
    for layer in (0, 1, 2):
        np.testing.assert_allclose(found[layer], wanted[layer][0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TEXT)
def test_word_embeddings_are_rows_of_the_table(tiny, name):
    table = plain_model(tiny / name).get_input_embeddings().weight.detach().numpy()
    ids = np.array([0, 7, 7, 3], dtype=np.int32)
    for precision in ("fp32", "bf16"):
        rows = load(tiny, name, precision=precision).word_embeddings(ids)
        np.testing.assert_array_equal(rows, table[ids])


@pytest.mark.parametrize("name", TEXT)
def test_capitals_without_case_are_read_as_lower_case(tiny, name):
    encoder = load(tiny, name)
    capitals, lower = encoder.tokenize(["A MAN SAID", "a man said"])
    assert capitals.tolist() == lower.tolist()


def test_case_is_kept_where_there_is_case_and_the_model_knows_it(tiny):
    for name in ("tiny-bert-cased", "tiny-roberta", "tiny-xlm-roberta"):
        with_case, lower = load(tiny, name).tokenize(["Das Tuch", "das tuch"])
        assert with_case.tolist() != lower.tolist()


def names(encoder, wanted):
    return [layer_name(encoder, layer) for layer in parse_layers(encoder, wanted)]


def test_layers_have_names_of_their_own(tiny):
    speech, text = load(tiny, "tiny-wavlm"), load(tiny, "tiny-bert")
    assert names(speech, "all") == [f"layer-{i}" for i in range(speech.num_layers + 1)]
    assert names(speech, "last") == names(speech, "3") == ["layer-3"]
    assert names(speech, "last, 1") == ["layer-1", "layer-3"]
    assert layer_name(text, parse_layers(text, "last")[0]) == "contextual"
    assert layer_name(text, 0) == "layer-0"


@pytest.mark.parametrize("name", LAST_APART)
def test_a_last_hidden_state_behind_a_norm_has_a_name_of_its_own(tiny, name):
    encoder = load(tiny, name)
    blocks = ["layer-0", "layer-1", "layer-2", "layer-3"]
    assert names(encoder, "last") == ["last"]
    assert names(encoder, "all") == [*blocks, "last"]
    assert names(encoder, "last,0,3") == ["layer-0", "layer-3", "last"]
    with pytest.raises(SettingsError, match="numbers from 0 to 3"):
        parse_layers(encoder, "4")
    said = "layer-3 before the final LayerNorm, last after it (last_hidden_state)"
    assert encoder.provenance()["last_layer"] == said
    assert "last_layer" not in load(tiny, name.removesuffix("-large")).provenance()


def test_an_adapter_behind_the_encoder_is_left_out(tiny, tmp_path):
    folder = shutil.copytree(tiny / "tiny-wav2vec2-large", tmp_path / "tiny-wav2vec2-large")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"add_adapter": True}))
    encoder = load_encoder(str(folder), revision=None, device=CPU)
    (found,) = encoder.encode([noise(8_000)], parse_layers(encoder, "last"))
    plain = load(tiny, "tiny-wav2vec2-large")
    (wanted,) = plain.encode([noise(8_000)], parse_layers(plain, "last"))
    np.testing.assert_array_equal(found[4], wanted[4])


@pytest.mark.parametrize("wanted", ["first", "9", "-1", "0,,1", ""])
def test_a_wrong_choice_of_layers_says_which_there_are(tiny, wanted):
    with pytest.raises(SettingsError, match="numbers from 0 to 2"):
        parse_layers(load(tiny, "tiny-whisper"), wanted)
