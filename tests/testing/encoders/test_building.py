import hashlib
import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoTokenizer,
    BertModel,
    Data2VecAudioModel,
    DistilBertForMaskedLM,
    HubertModel,
    RobertaForMaskedLM,
    Wav2Vec2ForPreTraining,
    WavLMModel,
    WhisperForConditionalGeneration,
    XLMRobertaForMaskedLM,
)

from tokser.encoders import load_encoder
from tokser.errors import InputError
from tokser.testing.encoders import (
    build_tiny_bert,
    build_tiny_text,
    build_tiny_wav2vec2,
    build_tiny_wavlm,
    build_tiny_whisper,
)

TEXTS = [
    "Heute abend könnte ich es ihm sagen.",
    "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
]


def build_bert(folder: Path, seed: int = 0) -> None:
    build_tiny_bert(folder, TEXTS, seed=seed)


def build_wavlm_large(folder: Path, seed: int = 0) -> None:
    build_tiny_wavlm(folder, seed=seed, layer_norm=True)


build_hubert = partial(build_tiny_wav2vec2, family="hubert")
build_wav2vec2 = partial(build_tiny_wav2vec2, family="wav2vec2")
build_xls_r = partial(build_tiny_wav2vec2, family="wav2vec2", layer_norm=True)
build_data2vec = partial(build_tiny_wav2vec2, family="data2vec-audio")
build_roberta = partial(build_tiny_text, transcripts=TEXTS, family="roberta")
build_xlm_r = partial(build_tiny_text, transcripts=TEXTS, family="xlm-roberta")
build_distilbert = partial(build_tiny_text, transcripts=TEXTS, family="distilbert")

SPEECH_BUILDERS = [
    build_tiny_whisper,
    build_tiny_wavlm,
    build_wavlm_large,
    build_hubert,
    build_wav2vec2,
    build_xls_r,
    build_data2vec,
]
TEXT_BUILDERS = [build_bert, build_roberta, build_xlm_r, build_distilbert]
BUILDERS = [*SPEECH_BUILDERS, *TEXT_BUILDERS]
Builder = Callable[..., None]


def weights_sha256(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def tone(frequency_hz: float, num_samples: int = 16_000) -> np.ndarray:
    """A buzzing tone with a little noise, the same every time."""
    seconds = np.arange(num_samples) / 16_000
    noise = np.random.default_rng(round(frequency_hz)).normal(size=num_samples)
    buzz = np.sign(np.sin(2 * np.pi * frequency_hz * seconds)) * np.exp(-seconds)
    return (0.3 * buzz + 0.01 * noise).astype(np.float32)


def encoder(folder: Path):
    return load_encoder(str(folder), revision=None, device=torch.device("cpu"))


@pytest.mark.parametrize("build", BUILDERS)
def test_seed_determines_the_weights(tmp_path: Path, build: Builder):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        build(tmp_path / name, seed=seed)
    assert weights_sha256(tmp_path / "a") == weights_sha256(tmp_path / "b")
    assert weights_sha256(tmp_path / "a") != weights_sha256(tmp_path / "c")


@pytest.mark.parametrize("build", BUILDERS)
def test_random_generators_stay_as_they_were(tmp_path: Path, build: Builder):
    torch.manual_seed(11)
    random.seed(11)
    legacy = np.random.get_state()[1].copy()
    before, python_before = torch.random.get_rng_state(), random.getstate()
    build(tmp_path / "model")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert random.getstate() == python_before
    assert np.array_equal(np.random.get_state()[1], legacy)


@pytest.mark.parametrize("build", BUILDERS)
def test_the_caller_s_seed_does_not_matter(tmp_path: Path, build: Builder):
    for seed in (1, 2):
        torch.manual_seed(seed)
        build(tmp_path / str(seed))
    assert weights_sha256(tmp_path / "1") == weights_sha256(tmp_path / "2")


@pytest.mark.parametrize("build", BUILDERS)
def test_a_second_call_writes_nothing(tmp_path: Path, build: Builder):
    build(tmp_path / "model")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "model").iterdir()}
    build(tmp_path / "model")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "model").iterdir()} == before


@pytest.mark.parametrize("build", BUILDERS)
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, build: Builder):
    build(tmp_path / "model", seed=1)
    before = weights_sha256(tmp_path / "model")
    with pytest.raises(InputError, match=r"expected an empty folder.*'seed': 0.*got other files"):
        build(tmp_path / "model", seed=0)
    assert weights_sha256(tmp_path / "model") == before


def test_an_interrupted_build_leaves_nothing_that_looks_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(WavLMModel, "save_pretrained", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_tiny_wavlm(tmp_path / "model")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    build_tiny_wavlm(tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize("build", BUILDERS)
def test_nothing_is_said_and_only_safetensors_are_written(
    tmp_path: Path, build: Builder, capfd: pytest.CaptureFixture[str]
):
    build(tmp_path / "model")
    assert capfd.readouterr() == ("", "")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"config.json", "model.safetensors", "provenance.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pickle"))]
    assert sum(path.stat().st_size for path in (tmp_path / "model").iterdir()) < 2_000_000


@pytest.mark.parametrize(
    ("build", "model_class"),
    [
        (build_tiny_whisper, WhisperForConditionalGeneration),
        (build_tiny_wavlm, WavLMModel),
        (build_wavlm_large, WavLMModel),
        (build_hubert, HubertModel),
        (build_wav2vec2, Wav2Vec2ForPreTraining),
        (build_data2vec, Data2VecAudioModel),
        (build_bert, BertModel),
        (build_roberta, RobertaForMaskedLM),
        (build_xlm_r, XLMRobertaForMaskedLM),
        (build_distilbert, DistilBertForMaskedLM),
    ],
)
def test_every_weight_is_loaded_back(tmp_path: Path, build: Builder, model_class):
    build(tmp_path / "model")
    _, info = model_class.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]


def test_whisper_is_a_whole_checkpoint_with_the_real_front_end(tmp_path: Path):
    build_tiny_whisper(tmp_path / "model")
    names = load_file(tmp_path / "model" / "model.safetensors").keys()
    assert {name.split(".")[1] for name in names} == {"encoder", "decoder"}
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["num_mel_bins"], config["max_source_positions"]) == (80, 1500)
    front_end = json.loads((tmp_path / "model" / "preprocessor_config.json").read_text())
    assert (front_end["feature_size"], front_end["hop_length"]) == (80, 160)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_wavlm_has_the_style_that_was_asked_for(tmp_path: Path, layer_norm: bool):
    build_tiny_wavlm(tmp_path / "model", layer_norm=layer_norm)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["feat_extract_norm"] == ("layer" if layer_norm else "group")
    assert config["do_stable_layer_norm"] == layer_norm
    front_end = json.loads((tmp_path / "model" / "preprocessor_config.json").read_text())
    assert front_end["do_normalize"] == layer_norm


@pytest.mark.parametrize("num_samples", [400, 719, 720, 16_000, 16_001])
def test_wavlm_has_the_real_frame_count(tmp_path: Path, num_samples: int):
    build_tiny_wavlm(tmp_path / "model")
    model = WavLMModel.from_pretrained(tmp_path / "model").eval()
    with torch.inference_mode():
        states = model(torch.from_numpy(tone(200, num_samples))[None]).last_hidden_state
    assert states.shape == (1, (num_samples - 400) // 320 + 1, 64)


@pytest.mark.parametrize("build", SPEECH_BUILDERS)
def test_speech_activations_differ_between_utterances(tmp_path: Path, build: Builder):
    build(tmp_path / "model")
    speech = encoder(tmp_path / "model")
    layers = range(speech.num_layers + 1)
    one, other = (speech.encode([tone(f)], layers)[0] for f in (120, 260))
    for layer in layers:
        assert np.isfinite(one[layer]).all()
        distance = np.linalg.norm(one[layer].mean(0) - other[layer].mean(0))
        assert distance > 0.05 * np.linalg.norm(one[layer].mean(0))
        # Nor are all frames of an utterance the same.
        assert one[layer].std(axis=0).mean() > 0.1 * np.abs(one[layer]).mean()


@pytest.mark.parametrize("build", TEXT_BUILDERS)
def test_text_activations_differ_between_texts_and_contexts(tmp_path: Path, build: Builder):
    build(tmp_path / "model")
    text = encoder(tmp_path / "model")
    for layer in range(text.num_layers + 1):
        one, other = (
            text.encode(text.tokenize([sentence]), [layer])[0][layer] for sentence in TEXTS[:2]
        )
        distance = np.linalg.norm(one.mean(0) - other.mean(0))
        assert distance > 0.1 * np.linalg.norm(one.mean(0))
        # [CLS] has no meaning of its own: only the context can change it.
        if layer:
            assert np.linalg.norm(one[0] - other[0]) > 0.1 * np.linalg.norm(one[0])


def test_cased_tokenizer_keeps_umlauts_and_capitals(tmp_path: Path):
    build_tiny_bert(tmp_path / "model", TEXTS, lowercase=False)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer.is_fast
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("für Tüten könnte")["input_ids"])
    assert pieces == ["[CLS]", "für", "Tüten", "könnte", "[SEP]"]


def test_uncased_tokenizer_drops_both(tmp_path: Path):
    build_tiny_bert(tmp_path / "model", TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("FÜR Tüten")["input_ids"])
    assert pieces == ["[CLS]", "fur", "tuten", "[SEP]"]


def test_special_tokens_come_first_and_unknown_words_are_unknown(tmp_path: Path):
    build_tiny_bert(tmp_path / "model", TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer.convert_ids_to_tokens(range(5)) == [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
    ]
    assert tokenizer("q")["input_ids"] == [2, 1, 3]


@pytest.mark.parametrize("vocab_size", [60, 800])
def test_vocabulary_keeps_its_size_and_fits_the_model(tmp_path: Path, vocab_size: int):
    build_tiny_bert(tmp_path / "model", TEXTS, vocab_size=vocab_size)
    num_pieces = len(AutoTokenizer.from_pretrained(tmp_path / "model"))
    table = load_file(tmp_path / "model" / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert table.shape == (num_pieces, 64)
    assert num_pieces <= max(vocab_size, 100)


@pytest.mark.parametrize("vocab_size", [80, 120, 800])
def test_vocabulary_does_not_depend_on_transcript_order(tmp_path: Path, vocab_size: int):
    for name, texts in (("a", TEXTS), ("b", TEXTS), ("c", TEXTS[::-1]), ("d", TEXTS)):
        build_tiny_bert(tmp_path / name, iter(texts), vocab_size=vocab_size)
    vocabularies = {(tmp_path / name / "tokenizer.json").read_bytes() for name in "abcd"}
    assert len(vocabularies) == 1


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "distilbert"])
def test_tokenizers_of_all_kinds_are_the_same_every_time(tmp_path: Path, family: str):
    for name, texts in (("a", TEXTS), ("b", TEXTS[::-1]), ("c", TEXTS)):
        build_tiny_text(tmp_path / name, texts, family=family, vocab_size=300)
    assert len({(tmp_path / name / "tokenizer.json").read_bytes() for name in "abc"}) == 1


@pytest.mark.parametrize(
    ("family", "pieces"),
    [
        ("roberta", ["<s>", "d", "ie", "Ġ", "StÃ¼ck", "</s>"]),
        ("xlm-roberta", ["<s>", "▁die", "▁Stück", "</s>"]),
        ("distilbert", ["[CLS]", "die", "stuck", "[SEP]"]),
    ],
)
def test_text_is_cut_as_its_family_does(tmp_path: Path, family: str, pieces: list[str]):
    build_tiny_text(tmp_path / "model", TEXTS, family=family, vocab_size=300)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    found = tokenizer.convert_ids_to_tokens(tokenizer("die Stück")["input_ids"])
    assert found == pieces


@pytest.mark.parametrize("transcripts", [[], ["", "  "]])
def test_nothing_to_learn_from_is_refused(tmp_path: Path, transcripts: list[str]):
    with pytest.raises(InputError, match="transcripts: expected some text to learn word pieces"):
        build_tiny_bert(tmp_path / "model", transcripts)
    assert not list(tmp_path.iterdir())
