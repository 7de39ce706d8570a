"""The scripts of docs/examples that docs/gallery.md shows, on small synthetic stores."""

import ast
import json
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import tokser

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SCRIPTS = (
    *("layers_of_ten_encoders", "leak_atlas", "cross_corpus_matrix"),
    *("tune_from_cache", "emotion_over_time"),
)


def run(name: str, *arguments: object) -> dict[str, object]:
    """Run a script with arguments, in this process; return its names."""
    names = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    names["main"]([str(one) for one in arguments])
    return names


@pytest.fixture
def place(workshop, tmp_path) -> Path:
    """A copy of the workshop's store, so that ledgers and results are this test's own."""
    (tmp_path / "stores").mkdir()
    shutil.copytree(
        workshop / "workspace" / "stores" / "emodb.zarr", tmp_path / "stores/emodb.zarr"
    )
    return tmp_path


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_script_says_what_it_shows_needs_and_takes(name):
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    head = ast.get_docstring(ast.parse(text))
    assert head.splitlines()[0].endswith("?")
    for part in ("Shows:", "Needs:", "Takes:", f"python {name}.py"):
        assert part in head, part
    assert len(text.splitlines()) <= 150


def test_layers_draws_each_encoder_and_what_dev_chose(place):
    run("layers_of_ten_encoders", "--store", place / "stores/emodb.zarr", "--out", place / "out")
    layers = pd.read_csv(place / "out/layers.csv")
    speech = layers[layers["encoder"] == "whisper-base"]
    assert speech["layer"].tolist() == [3, 6]
    assert speech["depth"].tolist() == [0.5, 1.0]
    expected = pd.read_csv(place / "out/expected.csv").set_index("encoder")
    assert expected["num_candidates"].to_dict() == {"whisper-base": 2, "bert-base-uncased": 1}
    picture = (place / "out/layers.svg").read_text()
    assert "whisper-base" in picture and "bert-base-uncased" in picture


def test_the_atlas_keeps_apart_what_it_says(place):
    store = place / "stores/emodb.zarr"
    how = ("--feature", "whisper-base/layer-3", "--sentence-groups", 2, "--seeds", 2)
    run("leak_atlas", "--store", store, *how, "--out", place / "out")
    scores = pd.read_csv(place / "out/atlas.csv", index_col=0)
    assert list(scores.index) == ["random", "sentences out", "speaker out", "both out"]
    assert (scores["shared_speakers"] > 0).tolist() == [True, True, False, False]
    assert (scores["shared_sentences"] > 0).tolist() == [True, False, True, False]
    assert scores["n"].eq(30).all()
    lifts = pd.read_csv(place / "out/lifts.csv")
    assert len(lifts) == 6 and lifts["difference"].between(-1, 1).all()
    sizes = {
        len(fold["train"])
        for file in (place / "out").glob("*.json")
        for fold in json.loads(file.read_text())["folds"]
    }
    assert len(sizes) == 1
    assert "shares nothing" in (place / "out/atlas.svg").read_text()


def test_the_atlas_keeps_near_duplicates_together(store_factory, tmp_path):
    factory = store_factory(tmp_path)
    plain = factory.rows
    # Each recording of the second half is one of the first, a little louder.
    factory.rows = lambda plan, feature, i: plain(plan, feature, i % 30)[:5] * (1 + (i >= 30) / 50)
    table = factory.manifest(60)
    table["speaker"] = [f"s{(i // 3) % 5}" for i in range(60)]
    plan = factory.plan(table, features={"layer-1": 64}, lengths=np.full(60, 5))
    store = factory.complete(table, plan)
    tokser.pool(store)
    how = ("--feature", "whisper-tiny/layer-1", "--seeds", 1, "--sentence-groups", 2)
    run("leak_atlas", "--store", store.path, *how, "--out", tmp_path / "out")
    scores = pd.read_csv(tmp_path / "out/atlas.csv", index_col=0)
    assert scores.loc["random", "shared_near-duplicates"] > 0
    assert scores.loc["duplicates together", "shared_near-duplicates"] == 0


def test_the_matrix_has_a_cell_for_each_two_corpora(store_factory, tmp_path):
    words: list[object] = []
    for name in ("berlin", "warsaw"):
        factory = store_factory(tmp_path)
        table = factory.manifest(36)
        table["speaker"] = [f"s{(i // 3) % 4}" for i in range(len(table))]
        plan = factory.plan(table, features={"layer-1": 3, "layer-2": 4})
        store = factory.complete(table, plan, name=f"{name}.zarr", dataset=name)
        tokser.pool(store)
        words += ["--store", store.path]
    best = ("--features", "best(whisper-tiny/layer-1, whisper-tiny/layer-2)")
    run("cross_corpus_matrix", *words, *best, "--out", tmp_path / "out")
    matrix = pd.read_csv(tmp_path / "out/matrix.csv")
    cells = set(zip(matrix["train"], matrix["test"], strict=True))
    assert cells == {(a, b) for a in ("berlin", "warsaw") for b in ("berlin", "warsaw")}
    assert matrix["num_candidates"].eq(2).all()
    assert "tested on" in (tmp_path / "out/matrix.svg").read_text()


@pytest.mark.slow
def test_tuned_blocks_are_compared_with_frozen_ones(workshop, tmp_path):
    store = tokser.extract(
        "emodb",
        root=workshop / "corpora/emodb",
        encoders=str(workshop / "openai/whisper-base"),
        layers="5,6",
        context="fit",
        store=tmp_path / "stores/fit.zarr",
    )
    tokser.pool(store)
    how = ("--from", "whisper-base/layer-5", "--epochs", 1, "--out", tmp_path / "out")
    run("tune_from_cache", "--store", store.path, *how)
    grid = pd.read_csv(tmp_path / "out/frozen/grid.csv")
    assert grid["blocks_learning_rate"].eq(0).all()
    speakers = pd.read_csv(tmp_path / "out/speakers.csv", index_col=0)
    assert list(speakers.columns) == ["frozen", "tuned"] and len(speakers) == 5
    difference = pd.read_csv(tmp_path / "out/difference.csv")
    assert difference["difference"].between(-1, 1).all()
    assert "tuned - frozen" in (tmp_path / "out/tuned.svg").read_text()


def test_over_time_asks_the_model_that_never_heard_the_speaker(workshop, place):
    how = ("--root", workshop / "corpora/emodb", "--speaker", "08", "--window", 1, "--hop", 1)
    names = run(
        "emotion_over_time",
        *("--store", place / "stores/emodb.zarr", "--features", "whisper-base/layer-3"),
        *(*how, "--out", place / "out"),
    )
    windows = pd.read_csv(place / "out/windows.csv")
    assert set(windows["truth"]) == {"anger", "happiness", "neutral"}
    assert windows["truth"].tolist() == sorted(windows["truth"])
    assert "truth" in (place / "out/over-time.svg").read_text()
    store = tokser.open_store(place / "stores/emodb.zarr")
    given = SimpleNamespace(features="whisper-base/layer-3", speaker="08", out=place / "out")
    model = names["model_without"](store, given)
    tested = tokser.load_results(place / "out/results").predictions.set_index("id")
    tested = tested[tested["fold"] == "08"]
    own = model.predict(store).set_index("id").loc[tested.index]
    np.testing.assert_allclose(own["probability_anger"], tested["probability_anger"], atol=1e-6)
    recording = place / "out/speaker-08.wav"
    run(
        "emotion_over_time",
        "--model",
        model.folder,
        "--recording",
        recording,
        "--out",
        place / "own",
    )
    assert "truth" not in pd.read_csv(place / "own/windows.csv")
