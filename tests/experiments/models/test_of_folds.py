"""`--save-models`: the models of all folds, beside results that are the same without them."""

import json

import numpy as np
import pandas as pd
import pytest

from tokser.checksummed_folder import ChecksummedFolder
from tokser.config import ClassifySettings, GridSettings, PoolSettings, RegressSettings
from tokser.errors import MissingInputError
from tokser.experiments.models.folder import load_model
from tokser.stages.classify import classify
from tokser.stages.pool import pool
from tokser.stages.regress import regress
from tokser.store import open_store

pytestmark = pytest.mark.slow

GRID = GridSettings(batch_sizes=(16,), learning_rates=(1e-2,), hidden=(4,), epochs=2)
FEATURES = ("mean(whisper-tiny/layer-1, whisper-tiny/layer-2)", "weighted(whisper-tiny/layer-1..2)")


@pytest.fixture
def store(stores):
    table = stores.manifest(48)
    table["valence"] = np.linspace(1, 5, 48)
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 5, "layer-2": 4}))
    pool(PoolSettings(store=opened.path))
    return open_store(opened.path)


@pytest.fixture
def settings(store, tmp_path):
    def make(out="results", **changes) -> ClassifySettings:
        values = {
            "dataset": "emodb",
            "store": store.path,
            "features": FEATURES,
            "out": tmp_path / out,
            "classifiers": ("mlp", "logreg"),
            "grid": GRID,
            "protocols": ("speaker",),
            "device": "cpu",
            "save_models": True,
        }
        return ClassifySettings(**(values | changes))

    return make


def contents(folder, *, models: bool = False) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (models or path.relative_to(folder).parts[0] != "models")
    }


def listed(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "models" / "models.csv")


def check_predictions(folder, store, table, target="label"):
    """Each model predicts its fold's test part as the results say, bit by bit."""
    predictions = pd.read_parquet(folder / "predictions.parquet")
    keys = [name for name in listed(folder) if name != "folder"]
    for row in listed(folder).to_dict("records"):
        same = np.logical_and.reduce([predictions[k].astype(str) == str(row[k]) for k in keys])
        own = predictions[same].set_index("id")
        assert len(own)
        model = load_model(folder / row["folder"])
        found = model.predict_store(store, list(own.index))
        if target == "label":
            assert found["label"].tolist() == own["prediction"].tolist(), row
            columns = [name for name in found if name != "label"]
            np.testing.assert_array_equal(found[columns].to_numpy(), own[columns].to_numpy())
        else:
            np.testing.assert_array_equal(found[target], own["prediction"])


def test_models_predict_their_folds_as_the_results_say(settings, store):
    out = classify(settings())
    assert len(listed(out)) == 4 * len(pd.read_csv(out / "results.csv"))
    check_predictions(out, store, listed(out))
    model = load_model(out / listed(out)["folder"][0])
    assert model.estimate is None
    assert model.provenance["fold"] == "s0"
    assert (
        "It is the model of fold s0" in (out / listed(out)["folder"][0] / "README.md").read_text()
    )


def test_models_of_seeds_and_random_splits_predict_theirs(settings, store):
    out = classify(settings(protocols=("random",), num_seeds=2, classifiers=("logreg",)))
    check_predictions(out, store, listed(out))


def test_models_that_standardise_by_speaker_predict_theirs(settings, store):
    out = classify(
        settings(standardise="speaker", features=("whisper-tiny/*",), classifiers=("logreg",))
    )
    check_predictions(out, store, listed(out))


def test_models_that_were_not_refitted_predict_theirs(settings, store):
    out = classify(settings(refit=False, features=("whisper-tiny/layer-1",)))
    check_predictions(out, store, listed(out))


def test_models_of_numbers_predict_theirs(settings, store, tmp_path):
    out = regress(
        RegressSettings(
            dataset="emodb",
            store=store.path,
            out=tmp_path / "dimensions",
            targets=("valence",),
            regressors=("ridge", "mlp-sklearn"),
            protocols=("speaker",),
            grid=GRID,
            save_models=True,
        )
    )
    check_predictions(out, store, listed(out), "valence")


def test_results_are_the_same_with_and_without_models(settings):
    with_models = contents(classify(settings("with")))
    without = contents(classify(settings("without", save_models=False)))
    differing = {name for name in without if without[name] != with_models[name]}
    assert without.keys() == with_models.keys()
    assert differing <= {"SHA256SUMS", "begun.json", "provenance.json", "ledger.jsonl"}
    assert "save_models" not in without["provenance.json"].decode()


def test_models_are_added_to_results_that_are_there(settings, store, caplog):
    caplog.set_level("INFO", logger="tokser")
    out = classify(settings(save_models=False))
    before = contents(out)
    assert not (out / "models").exists()
    classify(settings())
    check_predictions(out, store, listed(out))
    after = contents(out)
    same = {n for n in before if before[n] == after[n]}
    assert {"results.csv", "predictions.parquet", "grid.csv", "splits.json"} <= same
    for given in (True, False):
        caplog.clear()
        classify(settings(save_models=given))
        assert "classify: already in" in caplog.text


def test_a_damaged_model_is_trained_again(settings, caplog):
    out = classify(settings())
    before = contents(out, models=True)
    place = out / listed(out)["folder"][0]
    (place / "weights.safetensors").write_bytes(b"broken")
    classify(settings(save_models=False))
    assert "weights.safetensors has another digest" in caplog.text
    after = contents(out, models=True)
    differing = {n for n in before if before[n] != after.get(n)}
    assert differing <= {"ledger.jsonl", "SHA256SUMS", "provenance.json"}
    assert ChecksummedFolder(out).faults() == {}


def test_a_combined_model_without_its_members_is_refused(settings, tmp_path):
    out = classify(settings())
    table = listed(out)
    combined = table[table["features"].str.startswith("mean(")].iloc[0]["folder"]
    content = json.loads((out / combined / "model.json").read_text())
    assert [member["folder"].startswith("../../") for member in content["members"]] == [True, True]
    (out / combined).rename(tmp_path / "alone")
    with pytest.raises(MissingInputError, match=r"names as its member.*Copy the folder `models`"):
        load_model(tmp_path / "alone")
