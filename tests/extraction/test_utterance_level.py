"""Features of whole utterances beside frames: extracted, kept, pooled, trained on, predicted."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import tokser
from tokser.cli import main
from tokser.config import ExtractSettings, PoolSettings
from tokser.errors import SettingsError
from tokser.experiments.pooled_feature import PooledFeature
from tokser.extraction.recompute import recompute
from tokser.functionals.rounding import read_rounding
from tokser.functionals.tables import read_functionals
from tokser.stages.extract import extract
from tokser.stages.info import info
from tokser.stages.pool import pool
from tokser.store import verify_store

pytest.importorskip("opensmile")
VECTORS = "egemaps/functionals"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, write_noise_emodb):
    root = tmp_path_factory.mktemp("corpus") / "emodb"
    root.mkdir()
    write_noise_emodb(root)
    (root / "wav" / "08b02Na.wav").unlink()  # the broken one
    return root


def settings(corpus, store, **changes):
    values = {
        "dataset": "emodb",
        "root": corpus,
        "store": str(store),
        "encoders": ("opensmile:eGeMAPSv02",),
    }
    return ExtractSettings(**values | changes)


@pytest.fixture(scope="module")
def path(corpus, tmp_path_factory):
    done = extract(settings(corpus, tmp_path_factory.mktemp("store") / "emodb.zarr"))
    assert done.features == ("egemaps/lld", VECTORS)
    pool(PoolSettings(store=done.store))
    return done.store


def test_frames_and_vectors_lie_in_one_store(path):
    store = tokser.open_store(path)
    assert store.features == ["egemaps/lld"]
    assert store.pooled == ["egemaps/lld", VECTORS]
    assert store["egemaps/lld"].dtype == np.float32
    assert store.is_utterance_level(VECTORS)
    assert not store.is_utterance_level("egemaps/lld")
    table = store.functionals(VECTORS)
    assert table.shape == (len(store.ids), 88)
    assert table.columns[0] == "F0semitoneFrom27.5Hz_sma3nz_amean"
    assert store.functionals("egemaps/lld").shape == (len(store.ids), 50)
    assert verify_store(store).is_whole
    assert info(path)["features"][-1]["dim"] == 88
    assert all(one.is_same for one in recompute(path, 2))


def test_the_same_call_computes_nothing_twice(corpus, path):
    assert extract(settings(corpus, path)).num_encoded == 0


def test_one_kind_may_be_extracted_alone(corpus, tmp_path):
    done = extract(settings(corpus, tmp_path / "few.zarr", layers="functionals"))
    assert done.features == (VECTORS,)
    extract(settings(corpus, done.store, layers="lld", functionals_only=True))
    store = tokser.open_store(done.store)
    assert store.features == []
    assert set(store.pooled) == {VECTORS, "egemaps/lld"}
    assert store.functionals("egemaps/lld").shape[1] == 50


def test_their_mean_is_themselves_and_other_functionals_are_refused(path):
    store = tokser.open_store(path)
    whole = store.functionals(VECTORS)
    pd.testing.assert_frame_equal(read_functionals(store, VECTORS, ["mean"]), whole)
    assert read_rounding(store, VECTORS).shape == whole.shape
    with pytest.raises(SettingsError, match=r"a vector of each utterance already, got max"):
        read_functionals(store, VECTORS, ["max"])


def test_a_head_on_means_takes_them_as_they_are(path):
    pooled = PooledFeature(tokser.open_store(path), VECTORS)
    assert pooled.dim == 88
    table = pooled.functionals()
    assert table.shape[1] == 2 * 88
    assert not table.iloc[:, 88:].to_numpy().any()


def run(*arguments):
    result = CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("scaling", ["global", "speaker"])
def test_models_predict_recordings_as_they_predict_the_store(corpus, path, tmp_path, scaling):
    features = f"{VECTORS} + egemaps/lld"
    model = tmp_path / "model"
    run(
        *("fit", "--dataset", "emodb", "--store", path, "--features", features, "--head", "logreg"),
        *("--standardise", scaling, "--out", model, "--ledger", tmp_path / "ledger.jsonl"),
    )
    inputs = corpus
    if scaling == "speaker":
        inputs = tmp_path / "manifest.csv"
        run("manifest", "emodb", "--root", corpus, "--out", inputs)
    tables = {}
    for name, given in (("store", path), ("recordings", inputs)):
        more = ("--root", corpus) if name == "recordings" and scaling == "speaker" else ()
        run("predict", model, given, *more, "--out", tmp_path / f"{name}.csv")
        table = pd.read_csv(tmp_path / f"{name}.csv")
        table["id"] = table["id"].str.extract(r"(\w+)(?:\.wav)?$", expand=False)
        tables[name] = table.set_index("id").sort_index().filter(like="probability")
    pd.testing.assert_frame_equal(tables["store"], tables["recordings"], rtol=1e-4, atol=1e-6)


def test_a_group_may_have_a_name_of_ones_own(corpus, tiny, tmp_path):
    encoder = str(tiny / "tiny-wavlm")
    named = settings(corpus, tmp_path / "own.zarr", encoders=(encoder,), name="mine")
    assert extract(named).features == ("mine/layer-3",)
    assert tokser.open_store(named.store).features == ["mine/layer-3"]
    assert tokser.open_store(named.store)["mine/layer-3"].provenance["model"] == "tiny-wavlm"
    assert all(one.is_same for one in recompute(named.store, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoders": ("a", "b"), "name": "mine"}, "--name: expected one --encoder"),
        ({"name": "a/b"}, "--name: expected a name that can be part of a path"),
        ({"layers": "layer-1"}, "expected last, all, or lld or functionals"),
    ],
)
def test_a_wrong_name_or_layer_is_refused_before_anything(corpus, tmp_path, changes, message):
    with pytest.raises(SettingsError, match=message):
        extract(settings(corpus, tmp_path / "none.zarr", **changes))
    assert not (tmp_path / "none.zarr").exists()
