"""Models of tuned layers predict recordings as they predict the store, as docs/tuning.md shows."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tokser.config import (
    AlignSettings,
    ApplySettings,
    ExtractSettings,
    FitSettings,
    PoolSettings,
    PretrainSettings,
    TuneSettings,
)
from tokser.errors import CheckpointError, MissingInputError, SettingsError
from tokser.experiments.models import load_model
from tokser.prediction.run import predict_all
from tokser.stages.align import align
from tokser.stages.apply import apply
from tokser.stages.extract import extract
from tokser.stages.fit import fit
from tokser.stages.pool import pool
from tokser.stages.pretrain import pretrain
from tokser.stages.tune import tune
from tokser.store import open_store
from tokser.testing.encoders import build_tiny_bert, build_tiny_whisper

pytestmark = pytest.mark.slow
FOLD = "mean-std-speaker-seed-0-03"
LARGEST = 5e-3
"""Largest difference of a probability: batches are others, and float16 rounds twice."""


@pytest.fixture(scope="module")
def place(tmp_path_factory, write_noise_emodb):
    """A store with the tuned last layer of a tiny Whisper, and one aligned to it."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "emodb").mkdir()
    write_noise_emodb(folder / "emodb")
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_bert(folder / "tiny-bert", ["Das will sie am Mittwoch abgeben."] * 40)
    store = str(folder / "emodb.zarr")
    encoders = (str(folder / "tiny-whisper"), str(folder / "tiny-bert"))
    about = {"dataset": "emodb", "root": folder / "emodb", "store": store}
    extract(ExtractSettings(**about, encoders=encoders, layers="all", context="fit"))
    pool(PoolSettings(store=store))
    given = {"dataset": "emodb", "store": store, "out": folder / "tuned", "epochs": 1}
    given |= {"source": "tiny-whisper/layer-1", "heads": ("mean-std", "superb"), "mix": True}
    given |= {"protocols": ("speaker",), "device": "cpu", "blocks_rates": (1e-2,)}
    tune(TuneSettings.parse({**given, "save_models": True}, where="test"))
    checkpoint = folder / "tuned" / "folds" / FOLD
    apply(ApplySettings(store=store, checkpoint=checkpoint, name="tuned-03", device="cpu"))
    blocks = {"speech": "tiny-whisper/layer-1", "tune_speech": 1, "tune_learning_rate": 1e-3}
    run = pretrain(
        PretrainSettings(store=store, out=folder / "runs" / "aligner", **blocks, epochs=1)
    )
    align(AlignSettings(store=store, checkpoint=run))
    pool(PoolSettings(store=store))
    table = open_store(store).utterances[["path", "transcript", "speaker"]]
    table.to_csv(folder / "manifest.csv")
    return folder


@pytest.fixture(scope="module")
def fitted(place):
    """Fit a model, which is kept."""

    def make(out, **changes):
        given = {"dataset": "emodb", "store": str(place / "emodb.zarr"), "out": place / out}
        given |= {"features": "tuned-03/layer-2", "head": "logreg", "runs": (place / "tuned",)}
        return fit(FitSettings.parse(given | changes, where="test"))

    return make


def both_routes(place, folder):
    """Return probabilities of a model by way of the store, and from recordings."""
    model = load_model(folder)
    of_store = model.predict_store(open_store(place / "emodb.zarr"))
    found = predict_all(model, place / "manifest.csv", root=place / "emodb").table
    columns = list(model.columns[1:])
    found = found.set_index("id").loc[of_store.index, columns].to_numpy(dtype=float)
    return of_store[columns].to_numpy(), found


@pytest.mark.parametrize("head", ["logreg", "attentive", "cross-attention"])
def test_recordings_give_what_the_store_gives(place, fitted, head):
    features = "tuned-03/layer-2"
    if head == "cross-attention":
        features += " + tiny-bert/contextual"
    folder = fitted(f"model-{head}", head=head, features=features)
    wanted, found = both_routes(place, folder)
    np.testing.assert_allclose(found, wanted, atol=LARGEST)
    copied = folder / "tuned" / "tuned-03" / "tuned.safetensors"
    assert copied.stat().st_size < 1_000_000
    groups = json.loads((folder / "model.json").read_text())["recipe"]["groups"]
    names = [group["name"] for group in groups if group["name"] != "tiny-bert"]
    assert names == ["tiny-whisper", "tuned-03"]
    assert "they lie in `tuned/tuned-03`" in (folder / "README.md").read_text()


def test_untuned_blocks_would_predict_otherwise(place, fitted):
    """The blocks were changed by tuning, so the agreement above is theirs."""
    store = open_store(place / "emodb.zarr")
    name = store.ids[0]
    tuned, untouched = (store[f"{g}/layer-2"][name] for g in ("tuned-03", "tiny-whisper"))
    assert abs(tuned.astype(np.float32) - untouched.astype(np.float32)).max() > 0.02


def test_a_model_stands_alone(place, fitted):
    folder = fitted("alone")
    (place / "tuned").rename(place / "elsewhere")
    try:
        wanted, found = both_routes(place, folder)
        np.testing.assert_allclose(found, wanted, atol=LARGEST)
        with pytest.raises(MissingInputError, match=r"sha256 \w{64}.*Name the folder"):
            fitted("without", runs=())
    finally:
        (place / "elsewhere").rename(place / "tuned")


def test_tuned_and_untouched_layers_in_one_model(place, fitted):
    wanted, found = both_routes(
        place, fitted("sum", features="tiny-whisper/layer-1 + tuned-03/layer-2")
    )
    np.testing.assert_allclose(found, wanted, atol=LARGEST)


def test_aligners_with_tuned_blocks_predict_recordings(place, fitted):
    folder = fitted("aligned", features="aligner/aligned", runs=(place / "runs",))
    wanted, found = both_routes(place, folder)
    np.testing.assert_allclose(found, wanted, atol=LARGEST)


def test_other_blocks_in_the_folder_are_refused(place, fitted):
    model = load_model(fitted("model-logreg", head="logreg"))
    other = {"tuned-03": place / "tuned" / "folds" / FOLD.replace("03", "08")}
    wrong = replace(model, recipe=replace(model.recipe, tuned=other))
    with pytest.raises(CheckpointError, match=r"sha256 \w{64} as at training"):
        predict_all(wrong, place / "manifest.csv", root=place / "emodb")
    without = replace(model, recipe=replace(model.recipe, tuned={}))
    with pytest.raises(SettingsError, match=r"keeps its tuned blocks.*--run FOLDER"):
        predict_all(without, place / "manifest.csv", root=place / "emodb")


@pytest.mark.parametrize("head", ["mean-std", "superb"])
def test_models_of_folds_predict_as_in_tuning(place, head):
    fold = f"{head}-speaker-seed-0-03"
    model = load_model(place / "tuned" / "models" / fold)
    found = predict_all(model, place / "manifest.csv", root=place / "emodb").table.set_index("id")
    tables = pd.read_parquet(place / "tuned" / "predictions.parquet")
    tested = tables[(tables["fold"] == "03") & (tables["classifier"] == f"tuned-{head}")]
    columns = list(model.columns[1:])
    wanted = tested.set_index("id")[columns].to_numpy(dtype=float)
    np.testing.assert_allclose(
        found.loc[tested["id"], columns].to_numpy(dtype=float), wanted, atol=1e-4
    )


def test_models_of_folds_predict_stores_that_have_their_layers(place):
    model = load_model(place / "tuned" / "models" / FOLD)
    store = str(place / "emodb.zarr")
    with pytest.raises(Exception, match=r"Write it with `tokser apply`, then run `tokser pool`"):
        model.predict_store(open_store(store))
    apply(ApplySettings(store=store, checkpoint=place / "tuned" / "folds" / FOLD, device="cpu"))
    pool(PoolSettings(store=store))
    wanted, found = both_routes(place, place / "tuned" / "models" / FOLD)
    np.testing.assert_allclose(found, wanted, atol=LARGEST)
