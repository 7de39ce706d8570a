"""Tuning from a stored layer, applying it, and its features, as docs/tuning.md shows."""

import json

import numpy as np
import pandas as pd
import pytest

from tokser.config import (
    ApplySettings,
    ClassifySettings,
    ExtractSettings,
    PoolSettings,
    TuneSettings,
)
from tokser.errors import MissingInputError, SettingsError, StoreIncompleteError, StoreMismatchError
from tokser.stages.apply import apply
from tokser.stages.classify import classify
from tokser.stages.extract import extract
from tokser.stages.pool import pool
from tokser.stages.tune import tune
from tokser.store import open_store
from tokser.testing.encoders import build_tiny_wavlm, build_tiny_whisper

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory, write_noise_emodb):
    """A store of noise: Whisper without padding, whole; WavLM, functionals of one layer alone."""
    folder = tmp_path_factory.mktemp("tune")
    (folder / "emodb").mkdir()
    write_noise_emodb(folder / "emodb")
    build_tiny_whisper(folder / "tiny-whisper")
    build_tiny_whisper(folder / "other" / "tiny-whisper", seed=7)
    build_tiny_wavlm(folder / "tiny-wavlm")
    about = {"dataset": "emodb", "root": folder / "emodb", "store": str(folder / "emodb.zarr")}
    whole = {"encoders": (str(folder / "tiny-whisper"),), "layers": "1,2", "context": "fit"}
    extract(ExtractSettings(**about, **whole))
    alone = {"encoders": (str(folder / "tiny-wavlm"),), "layers": "2", "functionals_only": True}
    extract(ExtractSettings(**about, **alone))
    pool(PoolSettings(store=about["store"]))
    return folder


@pytest.fixture(scope="module")
def told(place):
    """Make settings of a few seconds."""

    def make(out, **changes):
        given = {"dataset": "emodb", "store": str(place / "emodb.zarr"), "out": place / out}
        given |= {"source": "tiny-whisper/layer-1", "heads": ("mean-std",), "epochs": 1}
        given |= {"protocols": ("speaker",), "batch_size": 8, "device": "cpu"}
        return TuneSettings.parse(given | changes, where="test")

    return make


@pytest.fixture(scope="module")
def results(told):
    return tune(told("tuned"))


def test_scores_are_tables_like_those_of_classify(results, place, told, capfd):
    summary = pd.read_csv(results / "summary.csv")
    assert list(summary["classifier"]) == ["tuned-mean-std"]
    assert summary["setup"].str.contains("blocks tuned").all()
    grid = pd.read_csv(results / "grid.csv")
    assert set(grid["blocks_learning_rate"]) == {1e-4}
    folds = sorted(path.name for path in (results / "folds").iterdir())
    assert folds == [f"mean-std-speaker-seed-0-{s}" for s in ("03", "08", "09")]
    provenance = json.loads((results / "provenance.json").read_text())
    assert provenance["stage"] == "tune"
    assert tune(told("tuned")) == results
    assert "already in" in capfd.readouterr().err


def test_untouched_blocks_write_the_stored_layers(place, told):
    out = tune(told("kept", blocks_rates=(0.0,), refit=False))
    store = str(place / "emodb.zarr")
    checkpoint = out / "folds" / "mean-std-speaker-seed-0-03"
    (name,) = apply(ApplySettings(store=store, checkpoint=checkpoint, name="kept", device="cpu"))
    assert name == "kept/layer-2"
    opened = open_store(store)
    new, old = opened[name], opened["tiny-whisper/layer-2"]
    assert new.ids == old.ids and new.quarantined.keys() == old.quarantined.keys()
    for utterance in new.ids:
        rows = old[utterance].astype(np.float32)
        np.testing.assert_allclose(new[utterance], rows, atol=4e-3 * abs(rows).max())


def test_features_of_tuned_blocks_leak_labels(results, place, told):
    store = str(place / "emodb.zarr")
    checkpoint = results / "folds" / "mean-std-speaker-seed-0-03"
    (feature,) = apply(ApplySettings(store=store, checkpoint=checkpoint, device="cpu"))
    assert feature == "mean-std-speaker-seed-0-03/layer-2"
    told_on = open_store(store)[feature].provenance["tuned_on"]
    assert {name[:2] for name in told_on["ids"]} == {"08", "09"}
    pool(PoolSettings(store=store))
    about = {"dataset": "emodb", "store": store, "classifiers": ("logreg",)}
    both = (feature, "tiny-whisper/layer-2")
    out = classify(
        ClassifySettings(**about, features=both, protocols=("speaker",), out=place / "leaks")
    )
    stamps = pd.read_csv(out / "summary.csv").set_index("features")["stamp"].fillna("")
    assert stamps[feature] == "LEAKS LABELS"
    assert stamps["tiny-whisper/layer-2"] == ""
    predictions = pd.read_parquet(out / "predictions.parquet")
    of_tuned = predictions[predictions["features"] == feature]
    assert set(of_tuned["stamp"]) == {"LEAKS LABELS"}
    audit = json.loads((out / "audit.json").read_text())["speaker"]
    assert audit["seen_labels"] == {"mean-std-speaker-seed-0-03": 8}
    assert "does not hold" not in audit["stamp"] and "labels" in audit["leaks"]
    # The fold that they were tuned for tests nobody whose label they have seen.
    folds = json.loads((out / "splits.json").read_text())
    (place / "one.json").write_text(json.dumps({"held out": folds["speaker"][:1]}))
    honest = classify(
        ClassifySettings(
            **about, features=(feature,), splits_file=place / "one.json", out=place / "honest"
        )
    )
    assert "LEAKS LABELS" not in (honest / "summary.csv").read_text()
    with pytest.raises(SettingsError, match="got a layer of tuned blocks"):
        tune(told("twice", source=feature))


def test_other_weights_are_refused_with_both_digests(told, place, tmp_path):
    with pytest.raises(
        StoreMismatchError, match=r"weights_sha256 \w{64} as in the store.*got"
    ) as e:
        tune(told("other", encoder=place / "other" / "tiny-whisper"))
    assert "weights_sha256" in e.value.got
    assert not (place / "other-out").exists()


def test_an_encoder_that_moved_is_named_by_option(told, place, tmp_path):
    moved = tmp_path / "tiny-whisper"
    (place / "tiny-whisper").rename(moved)
    try:
        with pytest.raises(MissingInputError, match="Name its folder with --encoder FOLDER"):
            tune(told("moved"))
        assert tune(told("moved", encoder=moved, epochs=1)).is_dir()
    finally:
        moved.rename(place / "tiny-whisper")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("tiny-wavlm/layer-2", StoreIncompleteError, "got their functionals alone"),
        ("tiny-whisper/layer-0", SettingsError, "one of the features"),
        ("tiny-whisper/layer-2", SettingsError, "a layer with blocks above it"),
        ("nothing", SettingsError, "one of the features"),
    ],
)
def test_layers_without_blocks_above_are_refused(told, source, error, message):
    with pytest.raises(error, match=message):
        tune(told("wrong", source=source))


def test_unknown_heads_are_named():
    with pytest.raises(SettingsError, match="none of attentive, emobox"):
        TuneSettings.parse({"heads": ("lstm",)}, where="tokser tune")


def test_a_store_with_padding_is_refused(place, told):
    store = str(place / "pad.zarr")
    extract(
        ExtractSettings(
            dataset="emodb",
            root=place / "emodb",
            store=store,
            encoders=(str(place / "tiny-whisper"),),
            layers="1",
        )
    )
    pool(PoolSettings(store=store))
    with pytest.raises(SettingsError, match="Extract with `--context fit`"):
        tune(told("pad", store=store))
