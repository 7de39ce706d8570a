import json

import numpy as np
import pandas as pd
import pytest

from tokser.config import ClassifySettings, PoolSettings, RegressSettings
from tokser.errors import InputError, SettingsError
from tokser.experiments.statistics.metrics import ccc
from tokser.stages.classify import classify
from tokser.stages.pool import pool
from tokser.stages.regress import regress

pytestmark = pytest.mark.slow

FEATURES = ("whisper-tiny/layer-1", "whisper-tiny/layer-2")


@pytest.fixture
def make_settings(stores, tmp_path):
    def make(table=None, out="results", **changes) -> RegressSettings:
        if table is None:
            table = with_numbers(stores)
        plan = stores.plan(table, features={"layer-1": 5, "layer-2": 4})
        if not stores.path.exists():
            pool(PoolSettings(store=stores.complete(table, plan, dataset="iemocap").path))
        told = {"dataset": "iemocap", "store": str(stores.path), "out": tmp_path / out}
        return RegressSettings(**told | {"targets": ("valence",), "device": "cpu"} | changes)

    return make


def with_numbers(stores):
    table = stores.manifest(40)
    return table.assign(valence=[1 + i % 7 / 2 for i in range(40)], arousal=3.0)


def test_scores_are_those_of_the_predictions(make_settings):
    out = regress(make_settings(regressors=("ridge", "mlp-sklearn"), num_seeds=2))
    scores = pd.read_csv(out / "regression.csv", keep_default_na=False)
    predictions = pd.read_parquet(out / "predictions.parquet")
    keys = ["features", "protocol", "target", "regressor", "seed"]
    assert not scores.duplicated(keys).any()
    # Ridge draws nothing: one seed is enough where the splits are the same.
    seeds = scores.groupby(["protocol", "regressor"])["seed"].nunique().to_dict()
    assert seeds == {
        ("random", "mlp-sklearn"): 2, ("random", "ridge"): 2,
        ("speaker", "mlp-sklearn"): 2, ("speaker", "ridge"): 1,
        ("random", "best(ridge, mlp-sklearn)"): 2, ("speaker", "best(ridge, mlp-sklearn)"): 2,
    }  # fmt: skip
    for key, part in predictions.groupby(keys):
        (row,) = scores[(scores[keys] == list(key)).all(axis=1)].to_dict("records")
        folds = [
            ccc(fold["truth"].to_numpy(), fold["prediction"].to_numpy())
            for _, fold in part.groupby("fold")
        ]
        pooled = ccc(part["truth"].to_numpy(), part["prediction"].to_numpy())
        assert row["ccc"] == pytest.approx(pooled)
        assert row["ccc_fold_mean"] == pytest.approx(np.mean(folds))
        if row["no_interval"]:
            assert row["protocol"] == "random"  # 4 test utterances
            assert row["no_interval"] == "fewer than 4 speakers"
        else:
            assert float(row["ccc_low"]) <= row["ccc"] <= float(row["ccc_high"])
        assert row["n_test"] == len(part)
    assert set(scores.loc[scores["protocol"] == "random", "stamp"]) == {"LEAKS SPEAKERS"}
    # Both features by each regressor, and by the one that dev chooses.
    assert len(pd.read_csv(out / "comparisons.csv")) == 2 * 3
    assert scores["num_candidates"].value_counts().to_dict() == {1: 14, 2: 8, 4: 4}
    evaluations = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    assert len(evaluations) == len(predictions.groupby([*keys, "fold"]))


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ({}, "got none called dominance"),
        (
            {"dominance": [3.0] * 39 + [np.nan]},
            "expected a number .* got dominance of utt039: none",
        ),
    ],
)
def test_numbers_that_are_not_there_are_named(make_settings, stores, column, told):
    settings = make_settings(with_numbers(stores).assign(**column), targets=("dominance",))
    with pytest.raises(InputError, match=told):
        regress(settings)
    assert not settings.out.exists()


def test_late_fusion_is_for_classes(make_settings):
    with pytest.raises(SettingsError, match=r"got mean\(whisper-tiny/layer-1\.\.2\)"):
        regress(make_settings(features=("mean(whisper-tiny/layer-*)",)))


def test_without_a_refit_every_table_says_so(make_settings):
    out = regress(make_settings(refit=False, standardise="speaker", protocols=("speaker",)))
    scores = pd.read_csv(out / "regression.csv", keep_default_na=False)
    assert set(scores["setup"]) == {"standardised by speaker, not refitted"}


def test_every_file_bears_the_stamp_and_the_setup(make_settings, stores):
    table = with_numbers(stores).assign(speaker="")
    out = regress(make_settings(table, protocols=("random",), stratify=False))
    for name in ("regression", "comparisons", "grid"):
        found = pd.read_csv(out / f"{name}.csv", keep_default_na=False)
        assert set(found["stamp"]) == {"SPEAKERS UNKNOWN"}, name
        assert set(found.get("setup", ["random split not stratified"])) == {
            "random split not stratified"
        }, name
        assert set(found.get("num_units", [""])) == {""}, name
    assert set(pd.read_parquet(out / "predictions.parquet")["stamp"]) == {"SPEAKERS UNKNOWN"}


def test_its_audit_says_nothing_of_accuracy(make_settings):
    out = regress(make_settings())
    audit = json.loads((out / "audit.json").read_text())["random"]
    assert [text for text in audit["remarks"] if not text.startswith("content not compared")] == []
    assert "points_per_error" not in audit
    assert set(pd.read_parquet(out / "predictions.parquet")["stamp"]) == {"LEAKS SPEAKERS", ""}


def test_emotion_labels_are_not_needed(make_settings, stores):
    out = regress(make_settings(with_numbers(stores).assign(label="")))
    assert set(pd.read_csv(out / "regression.csv")["n_test"]) == {4, 40}
    assert "rarest" not in json.loads((out / "audit.json").read_text())["speaker"]


@pytest.mark.parametrize(("subset", "num_test"), [("all", 40), ("labelled", 24)])
def test_rated_utterances_without_a_label_are_used(make_settings, stores, subset, num_test, capsys):
    table = with_numbers(stores)
    table["label"] = table["label"].where(np.arange(40) % 5 < 3, "")
    settings = make_settings(table, subset=subset, protocols=("speaker",))
    out = regress(settings)
    assert set(pd.read_csv(out / "regression.csv")["n_test"]) == {num_test}
    told = {"out": settings.out.with_name("classes"), "classifiers": ("logreg",)}
    common = {key: getattr(settings, key) for key in ("dataset", "store", "protocols", "device")}
    classes = classify(ClassifySettings(**common, **told))
    assert set(pd.read_csv(classes / "results.csv")["n_test"]) == {24}
    assert "16 utterances have no label and are left out" in capsys.readouterr().err


def test_rare_labels_are_no_reason_to_refuse_numbers(make_settings, stores, capsys):
    table = with_numbers(stores)
    table["label"] = ["rare"] * 3 + ["usual"] * 37
    regress(make_settings(table, protocols=("random",)))
    assert "not stratified by label, for there are rare (3)" in capsys.readouterr().err


def test_a_folder_from_before_there_were_subsets_is_recognised(make_settings):
    out = regress(make_settings())
    assert "subset" not in json.loads((out / "provenance.json").read_text())["settings"]
    with pytest.raises(SettingsError, match="subset None, now labelled"):
        regress(make_settings(subset="labelled"))
