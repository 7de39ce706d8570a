"""The aligner trained with the upper blocks of the encoders, as docs/pretraining.md shows."""

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from tokser.config import AlignSettings, ExtractSettings, PretrainSettings
from tokser.errors import SettingsError, StoreMismatchError
from tokser.stages.align import align
from tokser.stages.extract import extract
from tokser.stages.pretrain import pretrain
from tokser.store import open_store
from tokser.testing.corpora.librispeech import write_librispeech
from tokser.testing.encoders import build_tiny_bert, build_tiny_whisper

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store of synthetic speech, a tiny Whisper without padding, and a tiny BERT."""
    folder = tmp_path_factory.mktemp("tuned")
    write_librispeech(folder / "LibriSpeech", num_utterances=30)
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_whisper(folder / "other" / "tiny-whisper", seed=7)
    texts = [path.read_text() for path in (folder / "LibriSpeech").rglob("*.trans.txt")]
    build_tiny_bert(folder / "tiny-bert", texts)
    extract(
        ExtractSettings(
            dataset="librispeech",
            root=folder / "LibriSpeech",
            store=str(folder / "feats.zarr"),
            encoders=(str(folder / "tiny-whisper"), str(folder / "tiny-bert")),
            layers="all",
            context="fit",
        )
    )
    return folder


def settings(place, out, **changes):
    given = {
        "store": str(place / "feats.zarr"),
        "out": place / out,
        "speech": "tiny-whisper/layer-1",
        "epochs": 2,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "tune_speech": 1,
        "device": "cpu",
    }
    return PretrainSettings(**given | changes)


def losses(run):
    return pd.read_csv(run / "metrics.csv")["train_loss"].to_numpy()[1:]


def test_blocks_that_stay_give_the_losses_of_the_stored_layer(place):
    stored = pretrain(settings(place, "stored", speech="tiny-whisper/layer-2", tune_speech=0))
    kept = pretrain(settings(place, "kept", tune_learning_rate=1e-12))
    np.testing.assert_allclose(losses(kept), losses(stored), rtol=2e-3)


def test_tuned_blocks_are_kept_and_applied(place):
    run = pretrain(settings(place, "tuned", tune_learning_rate=1e-3))
    weights = load_file(run / "aligner.safetensors")
    untouched = load_file(place / "tiny-whisper" / "model.safetensors")
    name = "layers.1.fc1.weight"
    (before,) = [value for key, value in untouched.items() if key.endswith(f"encoder.{name}")]
    after = weights["speech_blocks.blocks.0.fc1.weight"]
    assert (after - before.float()).abs().max() > 1e-4
    store = str(place / "feats.zarr")
    feature = align(AlignSettings(store=store, checkpoint=run, device="cpu"))
    layer = open_store(store)[feature]
    assert feature == "tuned/aligned"
    assert layer.provenance["tune_speech"] == 1
    assert np.isfinite(layer[layer.ids[0]].astype(np.float32)).all()


def test_a_layer_with_other_blocks_above_is_refused(place):
    with pytest.raises(SettingsError, match=r"1 blocks above it: tiny-whisper/layer-1, got one"):
        pretrain(settings(place, "bad", speech="tiny-whisper/layer-0"))
    assert not (place / "bad").exists()


def test_several_layers_are_refused(place):
    with pytest.raises(SettingsError, match="one layer, below the blocks"):
        pretrain(settings(place, "bad", speech="tiny-whisper/layer-0,tiny-whisper/layer-1"))


def test_an_encoder_of_other_weights_is_refused(place):
    other = str(place / "other" / "tiny-whisper")
    with pytest.raises(StoreMismatchError, match=r"weights_sha256 .* as in the store"):
        pretrain(settings(place, "bad", encoder=other))


def test_a_frozen_teacher_has_no_blocks_to_train(place):
    with pytest.raises(SettingsError, match="--free-teacher with it"):
        pretrain(settings(place, "bad", tune_speech=0, speech="tiny-whisper/layer-2", tune_text=1))


def test_a_free_teacher_is_trained_and_kept_apart(place):
    text = {"tune_text": 1, "text_below": "tiny-bert/layer-1", "free_teacher": True}
    run = pretrain(settings(place, "free", tune_learning_rate=1e-3, **text))
    weights = load_file(run / "aligner.safetensors")
    before = load_file(place / "tiny-bert" / "model.safetensors")
    (name,) = [n for n in before if n.endswith("encoder.layer.1.intermediate.dense.weight")]
    after = weights["teacher.blocks.blocks.0.intermediate.dense.weight"]
    assert (after - before[name]).abs().max() > 1e-4
    store = str(place / "feats.zarr")
    assert align(AlignSettings(store=store, checkpoint=run, device="cpu")) == "free/aligned"


def test_a_free_teacher_that_stays_changes_nothing_in_the_loss(place):
    text = {"tune_text": 1, "text_below": "tiny-bert/layer-1", "free_teacher": True}
    stored = pretrain(settings(place, "one", speech="tiny-whisper/layer-2", tune_speech=0))
    kept = settings(place, "two", speech="tiny-whisper/layer-2", tune_speech=0, **text)
    kept = pretrain(kept.model_copy(update={"tune_learning_rate": 1e-12}))
    np.testing.assert_allclose(losses(kept), losses(stored), rtol=2e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text_below": "tiny-bert/layer-9"}, "the layer below the 1 last blocks of tiny-bert"),
        ({"text_below": "tiny-bert/layer-0"}, "1 blocks above it: tiny-bert/layer-1"),
        ({"text": "tiny-bert/layer-1", "text_below": "tiny-bert/layer-0"}, "tiny-bert/contextual"),
    ],
)
def test_text_blocks_need_the_layer_below_them(place, changes, message):
    given = {"tune_text": 1, "free_teacher": True, **changes}
    with pytest.raises(SettingsError, match=message):
        pretrain(settings(place, "bad", **given))
