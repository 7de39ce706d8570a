"""Which features and parts a run takes, through the stage."""

import pytest

from tokser.errors import (
    InputError,
    SettingsError,
    StoreIncompleteError,
)
from tokser.pretrain.checkpoint import load_aligner
from tokser.stages.pretrain import pretrain


@pytest.mark.parametrize("wrong", [{"speech": "whisper-toy/layer-9"}, {"text": "bert-toy/word"}])
def test_an_unsuitable_feature_is_refused_with_a_list(toy, tmp_path, wrong):
    option, name = next(iter(wrong.items()))
    with pytest.raises(SettingsError, match=rf"--{option}.*expected one of.*got '{name}'"):
        pretrain(toy.settings(tmp_path / "run", **wrong))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_several_speech_features_must_be_named(tmp_path, toy_store):
    toy = toy_store(tmp_path / "two.zarr", speech=("whisper-toy", "wavlm-toy")).write()
    with pytest.raises(SettingsError, match=r"--speech.*whisper-toy/layer-6, wavlm-toy/layer-6"):
        pretrain(toy.settings(tmp_path / "run"))
    pretrain(toy.settings(tmp_path / "run", speech="wavlm-toy/layer-6", epochs=1))
    assert load_aligner(tmp_path / "run")[1].features["speech"] == "wavlm-toy/layer-6"


def test_several_layers_are_mixed(tmp_path, toy_store):
    toy = toy_store(tmp_path / "two.zarr", layers=("layer-4", "layer-6")).write()
    mix = "whisper-toy/layer-4,whisper-toy/layer-6"
    out = pretrain(toy.settings(tmp_path / "run", speech=mix, epochs=1))
    aligner, description = load_aligner(out)
    assert description.speech == mix.split(",")
    assert aligner.mix.weights.shape == (2,)
    assert aligner.mix.weights.abs().max() > 0


def test_layers_of_several_encoders_cannot_be_mixed(tmp_path, toy_store):
    toy = toy_store(tmp_path / "two.zarr", speech=("whisper-toy", "wavlm-toy")).write()
    with pytest.raises(SettingsError, match="layers of one encoder"):
        pretrain(toy.settings(tmp_path / "run", speech="whisper-toy/layer-6,wavlm-toy/layer-6"))


@pytest.mark.slow
def test_full_queries_are_layer_0_of_the_teacher(toy, tmp_path, toy_store):
    with pytest.raises(
        SettingsError, match=r"--queries full.*feature bert-toy/layer-0.*layers all"
    ):
        pretrain(toy.settings(tmp_path / "run", queries="full"))
    full = toy_store(tmp_path / "full.zarr", embeddings=True).write()
    out = pretrain(full.settings(tmp_path / "run", queries="full", epochs=1))
    assert load_aligner(out)[1].features["queries"] == "bert-toy/layer-0"


def test_a_store_without_text_says_what_is_missing(tmp_path, toy_store):
    toy = toy_store(tmp_path / "mute.zarr").write(with_text=False)
    with pytest.raises(SettingsError, match=r"--text.*there is none of the kind.*tokser extract"):
        pretrain(toy.settings(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_an_incomplete_feature_is_refused(tmp_path, toy_store):
    toy = toy_store(tmp_path / "half.zarr").write(shards=1)
    with pytest.raises(StoreIncompleteError, match="whisper-toy/layer-6"):
        pretrain(toy.settings(tmp_path / "run"))


def test_a_corpus_of_one_speaker_without_dev_part_is_refused(tmp_path, toy_store):
    toy = toy_store(tmp_path / "one.zarr")
    toy.table["split"], toy.table["speaker"] = "", "s0"
    toy.write()
    with pytest.raises(InputError, match="at least two speakers"):
        pretrain(toy.settings(tmp_path / "run"))
    assert not (tmp_path / "run").exists()  # so that other settings may have it


def test_a_corpus_without_dev_part_says_what_to_extract(tmp_path, toy_store):
    toy = toy_store(tmp_path / "nodev.zarr")
    toy.table["split"], toy.table["speaker"] = "train-clean-100", "s0"
    with pytest.raises(InputError, match=r"0 to choose the epoch by|two of them in dev.*dev-clean"):
        pretrain(toy.write().settings(tmp_path / "run"))
