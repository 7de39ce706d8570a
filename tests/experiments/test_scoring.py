"""What `tokser classify` makes of trained units: fusions, choices, averages, intervals, tests."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch

from tokser.config import ClassifySettings, GridSettings, PoolSettings
from tokser.errors import InputError, SettingsError
from tokser.experiments.statistics.metrics import score
from tokser.stages.classify import classify
from tokser.stages.pool import pool
from tokser.store import open_store

pytestmark = pytest.mark.slow

LAYERS = ("whisper-tiny/layer-1", "whisper-tiny/layer-2")
BEST = "best(whisper-tiny/layer-1..2)"
GRID = GridSettings(batch_sizes=(16,), learning_rates=(1e-3, 5e-3), hidden=(6,), epochs=2)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make(stores, tmp_path):
    """Run on sixty utterances of four speakers, or on a table like it."""

    def run(table=None, out="results", **changes):
        if not stores.path.exists():
            table = stores.manifest(60) if table is None else table
            opened = stores.complete(
                table, stores.plan(table, features={"layer-1": 5, "layer-2": 4})
            )
            pool(PoolSettings(store=opened.path))
        told = {"dataset": "emodb", "store": str(stores.path), "out": tmp_path / out, "grid": GRID}
        usual = {"protocols": ("speaker",), "classifiers": ("logreg",), "device": "cpu"}
        return classify(ClassifySettings(**told | usual | changes))

    return run


def predictions_of(out) -> dict[str, pd.DataFrame]:
    table = pd.read_parquet(out / "predictions.parquet")
    return {name: part.set_index(["fold", "id"]) for name, part in table.groupby("features")}


def test_early_fusion_is_one_classifier_on_both(make):
    fused = predictions_of(make(features=(" + ".join(LAYERS),)))
    assert list(fused) == [" + ".join(LAYERS)]


def test_late_fusion_averages_what_its_members_say(make):
    found = predictions_of(make(features=("mean(whisper-tiny/layer-*)",)))
    mean = found["mean(whisper-tiny/layer-1..2)"].filter(like="probability_")
    members = [found[name].filter(like="probability_").loc[mean.index] for name in LAYERS]
    np.testing.assert_allclose(mean, (members[0] + members[1]) / 2)


def test_each_fold_takes_the_layer_that_its_own_dev_prefers(make):
    out = make(classifiers=("mlp", "logreg"))
    grid = pd.read_csv(out / "grid.csv")
    choices = pd.read_csv(out / "choices.csv", dtype={"fold": str})
    assert len(choices) == 3 * 4
    selected = grid[grid["selected"]].set_index(["classifier", "fold", "features"])[
        "dev_uar_crossfit"
    ]
    table = pd.read_parquet(out / "predictions.parquet")
    table = table.set_index(["features", "classifier", "fold"]).sort_index()
    for row in choices.itertuples():
        methods = ["mlp", "logreg"] if row.classifier == "best(mlp, logreg)" else [row.classifier]
        members = list(itertools.product(LAYERS, methods))
        on_dev = [selected[method, row.fold, name] for name, method in members]
        chosen = members[int(np.argmax(on_dev))]
        assert (row.chosen, row.chosen_classifier) == chosen
        assert row.dev_uar == max(on_dev)
        best, member = (table.loc[(*key, row.fold)] for key in ((BEST, row.classifier), chosen))
        assert best["prediction"].tolist() == member["prediction"].tolist()
    summary = pd.read_csv(out / "summary.csv").set_index(["features", "classifier"])
    for classifier, part in choices.groupby("classifier"):
        assert summary.loc[(BEST, classifier), "dev_uar"] == pytest.approx(part["dev_uar"].mean())


def test_seeds_are_averaged_and_what_draws_nothing_is_run_once(make):
    out = make(classifiers=("mlp", "logreg"), protocols=("speaker", "random"), num_seeds=3)
    results = pd.read_csv(out / "results.csv")
    summary = pd.read_csv(out / "summary.csv")
    counts = results.groupby(["classifier", "protocol"])["seed"].nunique().to_dict()
    assert counts == {
        ("logreg", "random"): 3, ("logreg", "speaker"): 1,
        ("mlp", "random"): 3, ("mlp", "speaker"): 3,
        ("best(mlp, logreg)", "random"): 3, ("best(mlp, logreg)", "speaker"): 3,
    }  # fmt: skip
    key = ["features", "classifier", "protocol"]
    for row in summary.itertuples():
        mine = results[(results[key] == [row.features, row.classifier, row.protocol]).all(axis=1)]
        assert row.uar == pytest.approx(mine["uar"].mean())
        assert row.num_seeds == len(mine)
        if len(mine) > 1:
            assert row.uar_seed_std == pytest.approx(mine["uar"].std(ddof=1))
        assert row.uar_low <= row.uar <= row.uar_high
    splits = json.loads((out / "splits.json").read_text())
    assert [fold["seed"] for fold in splits["random"]] == [0, 1, 2]
    assert "seed" not in splits["speaker"][0]


def test_classes_and_confusions_agree_with_the_predictions(make):
    out = make()
    classes, confusion = (pd.read_csv(out / f"{n}.csv") for n in ("classes", "confusion"))
    results = pd.read_csv(out / "results.csv").set_index("features")
    for name, table in predictions_of(out).items():
        whole = score(table["label"].tolist(), table["prediction"].tolist())
        mine = classes[classes["features"] == name]
        assert mine["recall"].mean() == pytest.approx(whole.uar)
        assert results.loc[name, "uar"] == pytest.approx(whole.uar)
        assert mine["support"].sum() == 60
        counts = confusion[confusion["features"] == name]
        right = counts.loc[counts["label"] == counts["prediction"], "count"].sum()
        assert right / counts["count"].sum() == pytest.approx(whole.accuracy)


def test_every_pair_is_tested_and_leaks_are_stamped(make):
    out = make(protocols=("random", "speaker"))
    for name in ("results", "summary", "classes", "confusion", "comparisons", "choices", "grid"):
        table = pd.read_csv(out / f"{name}.csv", keep_default_na=False)
        stamps = table.groupby("protocol")["stamp"].unique().map(list).to_dict()
        assert stamps == {"random": ["LEAKS SPEAKERS"], "speaker": [""]}, name
    comparisons = pd.read_csv(out / "comparisons.csv")
    # best(...) is made of both layers, so it is not held against them.
    assert [tuple(row) for row in comparisons[["first", "second"]].to_numpy()] == [LAYERS] * 2
    assert comparisons["p"].isna().all()
    assert set(comparisons["no_test"]) == {"4 speakers: p cannot be below 0.125"}
    uar = pd.read_csv(out / "summary.csv").set_index(["protocol", "features"])["uar"]
    for row in comparisons.itertuples():
        expected = uar[row.protocol, row.first] - uar[row.protocol, row.second]
        assert row.difference == pytest.approx(expected)
        assert row.low <= row.difference <= row.high


def test_standardising_by_speaker_gives_other_scores(make):
    plain, scaled = make(), make(out="scaled", standardise="speaker")
    tables = [pd.read_csv(out / "summary.csv", keep_default_na=False) for out in (plain, scaled)]
    assert [set(table["setup"]) for table in tables] == [{""}, {"standardised by speaker"}]
    assert not np.allclose(tables[0]["uar"], tables[1]["uar"])


def test_without_a_refit_every_table_says_so(make):
    usual, plain = make(), make(out="plain", refit=False)
    tables = [pd.read_csv(out / "summary.csv", keep_default_na=False) for out in (usual, plain)]
    assert [set(table["setup"]) for table in tables] == [{""}, {"not refitted"}]
    first, second = (predictions_of(out)[LAYERS[0]] for out in (usual, plain))
    assert not np.allclose(first.filter(like="probability_"), second.filter(like="probability_"))
    grids = [pd.read_csv(out / "grid.csv") for out in (usual, plain)]
    pd.testing.assert_frame_equal(*grids)  # selection is the same


def test_a_linear_probe_has_no_hidden_layer(make):
    linear = make(classifiers=("linear",))
    grid = GRID.model_copy(update={"hidden": ()})
    same = make(out="same", classifiers=("mlp",), grid=grid)
    first, second = (predictions_of(out) for out in (linear, same))
    for name, table in first.items():
        columns = table.columns.drop("classifier")
        pd.testing.assert_frame_equal(table[columns], second[name][columns])


def test_other_functionals_must_be_pooled_first_and_are_named(make, stores):
    with pytest.raises(SettingsError, match="--functional max"):
        make(functionals=("mean", "max"), features=LAYERS[:1])
    pool(PoolSettings(store=str(stores.path), functionals=("max",)))
    found = predictions_of(make(functionals=("mean", "max"), features=LAYERS[:1]))
    assert list(found) == ["whisper-tiny/layer-1:mean:max"]


def test_a_speaker_without_a_class_is_scored_on_the_others(make, stores):
    table = stores.manifest(60)
    table = table[~((table["speaker"] == "s0") & (table["label"] == "sadness"))]
    out = make(table)
    audit = json.loads((out / "audit.json").read_text())
    assert "s0 test: sadness" in audit["speaker"]["missing_classes"]
    assert set(pd.read_csv(out / "results.csv")["n_test"]) == {len(table)}


def test_an_unknown_speaker_cannot_be_standardised_and_is_named(make, stores):
    table = stores.manifest(60)
    table.iloc[3, table.columns.get_loc("speaker")] = ""
    with pytest.raises(InputError, match=r"--standardise speaker: .* got none for utt003"):
        make(table, protocols=("random",), standardise="speaker")


def write_splits(tmp_path, **parts):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"mine": [{"fold": "x"} | parts]}))
    return path


def ids(first, after):
    return [f"utt{i:03d}" for i in range(first, after)]


def test_splits_of_ones_own_are_used_and_audited(make, tmp_path):
    path = write_splits(tmp_path, train=ids(0, 30), dev=ids(30, 40), test=ids(40, 60))
    out = make(splits_file=path, protocols=())
    results = pd.read_csv(out / "results.csv")
    assert set(results["protocol"]) == {"mine"}
    assert set(results["n_test"]) == {20}
    assert set(results["stamp"]) == {"LEAKS SPEAKERS"}


def test_one_class_in_train_is_named_with_its_fold(make, stores, tmp_path):
    labels = stores.manifest(60)["label"]
    same = list(labels.index[labels == "anger"])
    path = write_splits(tmp_path, train=same, dev=ids(1, 3), test=["utt004", "utt005"])
    with pytest.raises(InputError, match=r"one class in the train part of x \(anger\)"):
        make(splits_file=path, protocols=())


def test_a_missing_label_matters_where_splits_use_it(make, stores, tmp_path):
    table = stores.manifest(60)
    table.iloc[[5, 59], table.columns.get_loc("label")] = ""
    path = write_splits(tmp_path, train=ids(6, 30), dev=ids(30, 40), test=ids(40, 58))
    out = make(table, splits_file=path, protocols=())
    classes = set(pd.read_csv(out / "classes.csv", keep_default_na=False)["label"])
    assert classes == {"anger", "neutral", "sadness"}
    path = write_splits(tmp_path, train=ids(0, 30), dev=ids(30, 40), test=ids(40, 60))
    with pytest.raises(InputError, match="no label of utt005, utt059"):
        make(splits_file=path, protocols=(), out="other")


def test_splits_that_changed_since_are_other_settings(make, tmp_path):
    path = write_splits(tmp_path, train=ids(0, 30), dev=ids(30, 40), test=ids(40, 60))
    make(splits_file=path, protocols=())
    write_splits(tmp_path, train=ids(0, 30), dev=ids(30, 40), test=ids(41, 60))
    with pytest.raises(SettingsError, match=r"one begun otherwise.*splits"):
        make(splits_file=path, protocols=())


def test_the_store_is_only_read(make, stores):
    make()
    before = {f: f.stat().st_mtime_ns for f in stores.path.rglob("*") if f.is_file()}
    make(out="again", features=("mean(whisper-tiny/layer-*)",))
    assert {f: f.stat().st_mtime_ns for f in stores.path.rglob("*") if f.is_file()} == before
    assert open_store(stores.path).pooled == list(LAYERS)


def test_files_of_unknown_speakers_are_stamped(make, stores):
    table = stores.manifest(60).assign(speaker="")
    out = make(table, protocols=("random",), features=(*LAYERS, BEST))
    for name in ("results", "summary", "classes", "confusion", "comparisons", "choices", "grid"):
        found = pd.read_csv(out / f"{name}.csv", keep_default_na=False)
        assert set(found["stamp"]) == {"SPEAKERS UNKNOWN"}, name
        assert set(found.get("num_units", [""])) == {""}, name
    assert set(pd.read_parquet(out / "predictions.parquet")["stamp"]) == {"SPEAKERS UNKNOWN"}
    assert json.loads((out / "audit.json").read_text())["random"]["unknown_speakers"] == 60


def test_speakers_are_counted_where_the_tested_are_known(make, stores):
    table = stores.manifest(60)
    folds = [
        {"fold": name, "train": [*table.index[20:]], "dev": [*table.index[10:20]], "test": tested}
        for name, tested in (("x", [*table.index[:5]]), ("y", [*table.index[5:10]]))
    ]
    table.iloc[50, table.columns.get_loc("speaker")] = ""
    path = stores.folder / "mine.json"
    path.write_text(json.dumps({"mine": folds}))
    out = make(table, protocols=(), splits_file=path)
    found = pd.read_csv(out / "results.csv", keep_default_na=False)
    assert set(found["num_units"]) == {4}
    assert set(found["stamp"]) == {"LEAKS SPEAKERS, SPEAKERS UNKNOWN (1 OF 60)"}


def test_a_random_split_without_strata_says_so_in_every_table(make, capsys):
    out = make(protocols=("random", "speaker"), stratify=False, features=LAYERS[:1])
    assert set(pd.read_csv(out / "summary.csv")["setup"]) == {"random split not stratified"}
    assert json.loads((out / "provenance.json").read_text())["settings"]["stratify"] is False
    alone = make(out="alone", protocols=("speaker",), stratify=False, features=LAYERS[:1])
    assert pd.read_csv(alone / "summary.csv")["setup"].isna().all()


def test_a_class_that_train_lacks_is_named_and_always_missed(make, stores, capsys):
    table = stores.manifest(60)
    sad = table.index[table["label"] == "sadness"]
    others = table.index.difference(sad)
    fold = {
        "fold": "x",
        "train": [*others[:20]],
        "dev": [*others[20:30]],
        "test": [*sad, others[30]],
    }
    path = stores.folder / "mine.json"
    path.write_text(json.dumps({"mine": [fold]}))
    out = make(table, protocols=(), splits_file=path, features=LAYERS[:1])
    assert "train lacks sadness (fold x), which test has" in capsys.readouterr().err
    classes = pd.read_csv(out / "classes.csv").set_index("label")
    assert classes.loc["sadness", "recall"] == 0


def test_folds_without_dev_get_one_and_the_splits_file_says_so(make, stores, capsys):
    ids = list(stores.manifest(60).index)
    path = stores.folder / "mine.json"
    path.write_text(json.dumps({"mine": [{"fold": "x", "train": ids[:50], "test": ids[50:]}]}))
    out = make(protocols=(), splits_file=path, features=LAYERS[:1])
    told = " ".join(capsys.readouterr().err.split())
    assert "no dev part in fold x; about 20 % of train is drawn for it (whole speakers)" in told
    (fold,) = json.loads((out / "splits.json").read_text())["mine"]
    assert fold["dev_drawn"] == "speaker"
    assert fold["dev"] in [ids[first:50:4] for first in range(4)]  # one of four speakers
    assert sorted([*fold["train"], *fold["dev"]]) == ids[:50]
    again = make(out="again", protocols=(), splits_file=out / "splits.json", features=LAYERS[:1])
    for name in ("results.csv", "splits.json"):
        assert (again / name).read_bytes() == (out / name).read_bytes()
    other = make(out="other", protocols=(), splits_file=path, features=LAYERS[:1], seed=2)
    assert (other / "splits.json").read_bytes() != (out / "splits.json").read_bytes()
