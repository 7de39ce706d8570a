"""Model folders as users have them: supported, or one sentence each."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tokser.corpora.manifest import COLUMNS, Manifest
from tokser.encoders import load_encoder
from tokser.errors import CheckpointError
from tokser.extraction.count_rows import count_tokens
from tokser.testing.encoders import build_tiny_bert, build_tiny_wavlm


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    build_tiny_wavlm(folder / "wavlm")
    build_tiny_bert(folder / "bert", ["the rain stops", "my dog sleeps"] * 4)
    return folder


@pytest.fixture
def copy(models, tmp_path):
    return lambda name: Path(shutil.copytree(models / name, tmp_path / name))


def load(folder):
    return load_encoder(str(folder), revision=None, device=torch.device("cpu"))


def edit(file, *, without=(), **keys):
    content = {k: v for k, v in json.loads(file.read_text()).items() if k not in without}
    file.write_text(json.dumps(content | keys))


def corpus(*transcripts):
    import pandas as pd

    rows = [{**dict.fromkeys(COLUMNS, ""), "id": t, "transcript": t} for t in transcripts]
    return Manifest("mine", Path(), pd.DataFrame(rows).set_index("id"), ())


def test_a_bert_without_its_tokenizer_is_refused(copy):
    folder = copy("bert")
    (folder / "tokenizer.json").unlink()
    for with_config in (True, False):
        if not with_config:
            (folder / "tokenizer_config.json").unlink()
        with pytest.raises(
            CheckpointError, match=r"the model's tokenizer \(tokenizer\.json, vocab"
        ):
            load(folder).tokenize(["rain"])


def test_a_tokenizer_that_knows_few_words_is_refused(copy):
    encoder = load(copy("bert"))
    assert not count_tokens(encoder, corpus("the rain stops", "my dog")).quarantined
    with pytest.raises(CheckpointError, match="got 75% of its 4 words and word pieces unknown"):
        count_tokens(encoder, corpus("錄 音 室", "dog"))


def test_settings_missing_in_a_config_are_those_of_transformers(copy):
    folder = copy("wavlm")
    waveforms = [np.random.default_rng(0).normal(0, 0.1, 800).astype(np.float32)]
    whole = load(folder).encode(waveforms, [3])[0][3]
    edit(folder / "config.json", without=["conv_kernel", "conv_stride"])
    np.testing.assert_array_equal(load(folder).encode(waveforms, [3])[0][3], whole)


@pytest.mark.parametrize("key", ["feature_extractor", "audio_processor"])
def test_a_processor_that_transformers_5_saved_is_read(copy, key):
    folder = copy("wavlm")
    inner = json.loads((folder / "preprocessor_config.json").read_text()) | {"do_normalize": True}
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({key: inner}))
    assert load(folder).provenance()["normalise_waveform"] is True


@pytest.mark.parametrize("content", ["{}", "[]", "{"])
def test_a_processor_that_says_nothing_of_waveforms_is_refused(copy, content):
    folder = copy("wavlm")
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json or processor_config"):
        load(folder)


def test_a_model_for_another_rate_is_refused(copy):
    folder = copy("wavlm")
    edit(folder / "preprocessor_config.json", sampling_rate=8_000)
    with pytest.raises(CheckpointError, match="waveforms at 16000 Hz, got sampling_rate 8000"):
        load(folder)


@pytest.mark.parametrize(
    "keys",
    [{"hidden_size": "x"}, {"num_hidden_layers": None}, {"conv_kernel": 5}, {"conv_stride": [0]}],
)
def test_settings_of_a_wrong_type_are_reported(copy, keys):
    folder = copy("wavlm")
    edit(folder / "config.json", **keys)
    with pytest.raises(CheckpointError, match=r"a config\.json (that fits|whose settings)"):
        load(folder).num_frames(16_000)


def test_added_tokens_without_an_embedding_are_reported(copy):
    folder = copy("bert")
    content = json.loads((folder / "tokenizer.json").read_text())
    added = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    content["added_tokens"].append({"id": 5_000, "content": "sunshine", **added})
    (folder / "tokenizer.json").write_text(json.dumps(content))
    encoder = load(folder)
    assert encoder.tokenize(["the rain"])
    with pytest.raises(CheckpointError, match=r"embeddings, got 'sunshine' \(\d+\)"):
        encoder.tokenize(["the sunshine"])


def test_a_tokenizer_that_was_cut_is_reported(copy):
    folder = copy("bert")
    file = folder / "tokenizer.json"
    file.write_text(file.read_text()[:500])
    with pytest.raises(CheckpointError, match="a tokenizer that transformers can read, got JSON"):
        load(folder).tokenize(["rain"])


def test_a_tokenizer_without_a_fast_form_is_reported(copy):
    folder = copy("bert")
    (folder / "tokenizer.json").unlink()
    edit(folder / "tokenizer_config.json", tokenizer_class="BertJapaneseTokenizer")
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nrain\n")
    with pytest.raises(CheckpointError, match="no fast version"):
        load(folder).tokenize(["rain"])


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("num_hidden_layers", 2**70, "a JSON object, got num_hidden_layers 1.18e.21"),
        ("hidden_dropout", 1.5, "a JSON object, got hidden_dropout 1.5"),
        ("intermediate_size", 10**12, "a config.json that fits its weights"),
    ],
)
def test_a_config_with_absurd_values_is_refused(copy, key, value, expected):
    folder = copy("bert")
    edit(folder / "config.json", **{key: value})
    with pytest.raises(CheckpointError, match=expected):
        encoder = load(folder)
        encoder.encode(encoder.tokenize(["the rain stops"]), [encoder.num_layers])
