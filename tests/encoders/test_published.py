"""Checkpoints as they are published: other names, heads, and weights that nothing here uses."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tokser.encoders import load_encoder
from tokser.errors import CheckpointError

CPU = torch.device("cpu")
A_WEIGHT = {
    "tiny-whisper-128": "model.encoder.layers.1.self_attn.k_proj.weight",
    "tiny-wavlm": "encoder.layers.0.attention.rel_attn_embed.weight",
    "tiny-wavlm-large": "encoder.layer_norm.bias",
    "tiny-hubert": "encoder.layers.2.final_layer_norm.weight",
    "tiny-wav2vec2": "wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    "tiny-wav2vec2-large": "wav2vec2.feature_extractor.conv_layers.3.layer_norm.weight",
    "tiny-data2vec": "encoder.pos_conv_embed.layers.4.conv.weight",
    "tiny-bert": "embeddings.LayerNorm.weight",
    "tiny-roberta": "roberta.embeddings.position_embeddings.weight",
    "tiny-xlm-roberta": "roberta.encoder.layer.1.output.dense.bias",
    "tiny-distilbert": "distilbert.transformer.layer.0.ffn.lin1.weight",
}
UNUSED = {
    "tiny-wav2vec2": r"quantizer|project_q|project_hid|masked_spec_embed",
    "tiny-hubert": "masked_spec_embed",
    "tiny-wavlm": "masked_spec_embed",
    "tiny-data2vec": "masked_spec_embed",
    "tiny-bert": "pooler",
    "tiny-roberta": "lm_head",
    "tiny-xlm-roberta": "lm_head",
    "tiny-distilbert": "vocab",
}


@pytest.fixture
def rewritten(tiny, tmp_path):
    """A copy of a checkpoint whose weights were renamed or left out."""

    def _rewritten(name, rename):
        folder = shutil.copytree(tiny / name, tmp_path / name)
        weights = load_file(folder / "model.safetensors")
        renamed = {rename(key): tensor for key, tensor in weights.items()}
        assert renamed.keys() != weights.keys()
        renamed.pop(None, None)
        save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    return _rewritten


def encode(folder):
    encoder = load_encoder(str(folder), revision=None, device=CPU)
    if encoder.kind == "text":
        inputs = encoder.tokenize(["a man"])
    else:
        inputs = [np.linspace(-1, 1, 4_000, dtype=np.float32)]
    return encoder.encode(inputs, [encoder.num_layers])[0][encoder.num_layers]


@pytest.mark.parametrize("name", A_WEIGHT)
def test_a_missing_weight_is_an_error_in_every_family(rewritten, name):
    folder = rewritten(name, lambda key: None if key == A_WEIGHT[name] else key)
    with pytest.raises(CheckpointError, match="1 missing, 0 with another shape"):
        encode(folder)


@pytest.mark.parametrize("name", UNUSED)
def test_weights_that_are_not_used_need_not_be_there(tiny, rewritten, name):
    stored = load_file(tiny / name / "model.safetensors")
    assert any(re.search(UNUSED[name], key) for key in stored)
    folder = rewritten(name, lambda key: None if re.search(UNUSED[name], key) else key)
    np.testing.assert_array_equal(encode(folder), encode(tiny / name))


@pytest.mark.parametrize("name", ["tiny-wavlm", "tiny-hubert", "tiny-wav2vec2-large"])
def test_weight_norm_has_its_older_names(tiny, rewritten, name):
    older = {"original0": "weight_g", "original1": "weight_v"}

    def rename(key):
        stem, _, last = key.rpartition(".parametrizations.weight.")
        return f"{stem}.{older[last]}" if stem else key

    np.testing.assert_array_equal(encode(rewritten(name, rename)), encode(tiny / name))


def test_layer_norm_has_its_older_names_and_a_prefix_and_a_head(tiny, rewritten):
    def rename(key):
        for newer, older in (("LayerNorm.weight", "gamma"), ("LayerNorm.bias", "beta")):
            key = key.replace(newer, f"LayerNorm.{older}")
        return f"bert.{key}"

    np.testing.assert_array_equal(
        encode(rewritten("tiny-bert", rename)), encode(tiny / "tiny-bert")
    )


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("tiny-wavlm", "wavlm."),
        ("tiny-hubert", "hubert."),
        ("tiny-data2vec", "data2vec_audio."),
    ],
)
def test_a_fine_tuned_model_has_its_encoder_behind_a_prefix(tiny, rewritten, name, prefix):
    folder = rewritten(name, lambda key: f"{prefix}{key}")
    np.testing.assert_array_equal(encode(folder), encode(tiny / name))


def test_pickled_weights_are_read_as_well(tiny, tmp_path):
    folder = shutil.copytree(tiny / "tiny-wav2vec2", tmp_path / "tiny-wav2vec2")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    np.testing.assert_array_equal(encode(folder), encode(tiny / "tiny-wav2vec2"))


def test_the_positions_of_roberta_begin_behind_the_padding_token(tiny, tmp_path):
    for pad_token_id, room in ((1, 512), (5, 508)):
        folder = shutil.copytree(tiny / "tiny-roberta", tmp_path / str(pad_token_id))
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": pad_token_id}))
        encoder = load_encoder(str(folder), revision=None, device=CPU)
        assert encoder.max_tokens == room
