"""`tokser fit` as a library calls it: one model of everything, with the score of its protocol."""

import json
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
import yaml

from tokser.checksummed_folder import ChecksummedFolder
from tokser.config import (
    ClassifySettings,
    FitSettings,
    GridSettings,
    PoolSettings,
    RegressSettings,
)
from tokser.errors import DamagedFileError, MissingInputError, SettingsError
from tokser.experiments.calibration.cross_fit import (
    SetChoice,
    calibrate_by_speakers,
    fit_calibration,
)
from tokser.experiments.calibration.predicted import Predicted
from tokser.experiments.classification import late_weights
from tokser.experiments.models.folder import load_model
from tokser.experiments.statistics.sampling_units import find_sampling_units
from tokser.functionals.standardise import Standardiser
from tokser.stages.classify import classify
from tokser.stages.fit import fit
from tokser.stages.pool import pool
from tokser.stages.regress import regress
from tokser.store import open_store

pytestmark = pytest.mark.slow

LAYER = "whisper-tiny/layer-1"
GRID = GridSettings(batch_sizes=(8, 16), learning_rates=(1e-2,), hidden=(6,), epochs=3)


@pytest.fixture
def store(stores):
    """Sixty utterances of four speakers, three emotions, two pooled features."""
    table = stores.manifest(60)
    table["valence"] = np.linspace(1, 5, 60)
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 5, "layer-2": 4}))
    pool(PoolSettings(store=opened.path))
    return open_store(opened.path)


@pytest.fixture
def settings(store, tmp_path):
    def make(out="model", **changes) -> FitSettings:
        values = {
            "dataset": "emodb",
            "store": store.path,
            "features": LAYER,
            "head": "logreg",
            "out": tmp_path / out,
            "ledger": tmp_path / "ledger.jsonl",
            "device": "cpu",
            "grid": GRID,
        }
        return FitSettings(**(values | changes))

    return make


def contents(folder) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def scores(folder, features=LAYER, protocol="speaker"):
    table = pd.read_csv(folder / "summary.csv")
    row = table[(table["features"] == features) & (table["protocol"] == protocol)]
    (found,) = row.to_dict("records")
    return found


def test_the_score_is_that_of_the_protocol(settings, tmp_path):
    model = load_model(fit(settings()))
    row = scores(tmp_path / "model-results")
    estimate = model.estimate
    assert (estimate.score, estimate.low, estimate.high) == (
        *(row[name] for name in ("uar", "uar_low", "uar_high")),
    )
    assert (estimate.protocol, estimate.num_test, estimate.num_units) == ("speaker", 60, 4)
    assert estimate.results == str(tmp_path / "model-results")
    assert {row["group"] for row in estimate.by_group} == {"f", "m"}
    assert [row["label"] for row in estimate.classes] == list(model.classes)
    assert sum(row["count"] for row in estimate.confusion) == 60


def test_it_is_fitted_on_everything_usable(settings, store):
    model = load_model(fit(settings()))
    functionals = store.functionals(LAYER)
    (member,) = model.members
    everything = Standardiser.fit(functionals.to_numpy())
    np.testing.assert_allclose(member.fitted.scaling.mean, everything.mean)
    fitted = model.provenance["fitted_on"]
    assert (fitted["num_utterances"], fitted["num_speakers"]) == (60, 4)
    assert fitted["labels"] == {"anger": 20, "neutral": 20, "sadness": 20}
    found = model.predict_store(store)
    assert (found["label"] == store.utterances["label"]).mean() > 0.5
    assert model.recipe.languages == ("de",)


def test_a_second_call_finds_it_and_another_model_is_refused(settings, caplog):
    caplog.set_level("INFO", logger="tokser")
    out = fit(settings())
    before = contents(out)
    assert "already" not in caplog.text
    assert fit(settings()) == out
    assert f"fit: already in {out}" in caplog.text
    assert contents(out) == before
    with pytest.raises(SettingsError, match=r"head logreg, now svm"):
        fit(settings(head="svm"))
    with pytest.raises(SettingsError, match=r"features .*layer-1, now .*layer-2"):
        fit(settings(features="whisper-tiny/layer-2"))
    assert contents(out) == before


def test_what_is_damaged_is_made_again(settings, caplog):
    out = fit(settings())
    before = contents(out)
    (out / "weights.safetensors").write_bytes(b"broken")
    fit(settings())
    assert "weights.safetensors has another digest" in caplog.text
    assert contents(out) == before


def test_an_interrupted_call_goes_on(settings, monkeypatch):
    whole = contents(fit(settings("whole")))
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(
            "tokser.experiments.models.fit.write_model",
            lambda *arguments: signal.raise_signal(signal.SIGINT),
        )
        fit(settings())
    with pytest.raises(MissingInputError, match="begun and not finished"):
        load_model(settings().out)
    found = contents(fit(settings()))
    assert found["weights.safetensors"] == whole["weights.safetensors"]


@pytest.mark.parametrize("head", ["mlp", "linear", "svm", "mlp-sklearn"])
def test_every_classifier_makes_a_model(settings, store, head, tmp_path):
    model = load_model(fit(settings(head=head)))
    trials = pd.read_csv(tmp_path / "model-results" / "grid.csv")
    (member,) = model.members
    point = [name for name in ("batch_size", "learning_rate", "C") if name in member.params]
    means = trials.groupby(point, sort=False)["dev_uar"].mean().round(12).reset_index()
    best = means.loc[means["dev_uar"].idxmax(), point]
    assert [member.params[name] for name in point] == best.tolist()
    if head != "svm":
        own = trials[(trials[point] == best).all(axis=1)]
        assert member.params["epochs"] == sorted(own["best_epoch"])[1]
    assert len(model.predict_store(store)) == 60


@pytest.mark.parametrize("head", ["ridge", "mlp-sklearn"])
def test_numbers_are_predicted(settings, store, head, tmp_path):
    out = fit(settings(head=head, target="valence"))
    model = load_model(out)
    assert (model.task, model.target, model.classes) == ("regression", "valence", ())
    row = pd.read_csv(tmp_path / "model-results" / "regression.csv").iloc[0]
    assert (model.estimate.metric, model.estimate.score) == ("ccc", row["ccc"])
    found = model.predict_store(store)
    assert list(found.columns) == ["valence"]
    assert found["valence"].between(-1, 8).all()
    card = (out / "README.md").read_text()
    assert "CCC" in card
    assert "valence" in card


@pytest.mark.parametrize("how", ["mean", "weighted", "best"])
def test_members_are_put_together(settings, store, how, tmp_path):
    expression = f"{how}(whisper-tiny/layer-*)"
    model = load_model(fit(settings(features=expression)))
    name = f"{how}(whisper-tiny/layer-1..2)"
    assert model.features == name
    assert model.estimate.score == scores(tmp_path / "model-results", name)["uar"]
    selection = model.provenance["selection"]
    if how == "best":
        best = max(selection, key=lambda one: selection[one]["dev_score"])
        assert [str(m.features) for m in model.members] == [best]
        assert model.how == "single"
    else:
        assert len(model.members) == 2
        weights = late_weights([one["dev_score"] for one in selection.values()], 3)
        assert model.weights == (() if how == "mean" else tuple(weights))
    assert len(model.predict_store(store)) == 60


def test_features_side_by_side_make_one_member(settings, store):
    model = load_model(fit(settings(features="whisper-tiny/layer-1 + whisper-tiny/layer-2")))
    (member,) = model.members
    assert member.widths == (10, 8)
    assert len(model.predict_store(store)) == 60


def test_speakers_decide_the_scale_where_it_is_asked_for(settings, store):
    model = load_model(fit(settings(standardise="speaker")))
    found = model.predict_store(store)
    assert (found["label"] == store.utterances["label"]).mean() > 0.5


def test_a_protocol_that_leaks_is_stamped(settings):
    out = fit(settings(protocol="random"))
    assert "LEAKS SPEAKERS" in load_model(out).estimate.leaks
    card = (out / "README.md").read_text()
    assert "no estimate for new speakers" in card
    assert "The score is too good: LEAKS SPEAKERS" in card


def test_several_expressions_are_refused(settings, tmp_path):
    with pytest.raises(SettingsError, match=r"one feature expression.*got 2"):
        fit(settings(features="whisper-tiny/layer-*"))
    assert not (tmp_path / "model").exists()


def test_a_head_of_the_other_task_is_refused(settings):
    with pytest.raises(SettingsError, match="a head for classification"):
        fit(settings(head="ridge"))
    with pytest.raises(SettingsError, match="a head for regression"):
        fit(settings(target="valence"))


@pytest.fixture
def results(settings, tmp_path):
    """Results of both layers, two protocols and two heads."""
    wanted = settings()
    return classify(
        ClassifySettings(
            dataset="emodb",
            store=wanted.store,
            out=tmp_path / "results",
            protocols=("random", "speaker"),
            classifiers=("logreg", "mlp"),
            grid=GRID,
            device="cpu",
        )
    )


def test_results_that_are_there_give_the_score(settings, results, tmp_path):
    out = fit(settings(results=results))
    model = load_model(out)
    assert (
        model.estimate.score
        == pd.read_csv(results / "summary.csv")
        .query("features == @LAYER and protocol == 'speaker' and classifier == 'logreg'")["uar"]
        .item()
    )
    assert not (tmp_path / "model-results").exists()
    before = contents(out)
    fit(settings())  # the same model, wherever its score lies
    assert contents(out) == before
    computed = fit(settings("computed"))
    assert contents(computed)["weights.safetensors"] == before["weights.safetensors"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "svm"}, "expected head svm, got head logreg, mlp"),
        ({"head": "mlp", "grid": GridSettings(epochs=2)}, "grid.epochs 2.*grid.epochs 3"),
        ({"standardise": "speaker"}, "standardise speaker.*standardise global"),
        ({"protocol": "kfold", "num_folds": 3}, "num_folds 3.*num_folds 5"),
        ({"protocol": "text"}, "rows of .*protocol text"),
        ({"protocol": "random", "stratify": False}, "stratify False.*stratify True"),
        ({"seed": 7}, "seed 7.*seed 0"),
        ({"target": "valence", "head": "ridge"}, "command regress.*command classify"),
    ],
)
def test_results_of_something_else_are_refused(settings, results, changes, message):
    with pytest.raises((SettingsError, DamagedFileError), match=message):
        fit(settings(results=results, **changes))
    assert not settings().out.exists()


def test_results_of_other_rows_are_refused(settings, results, stores):
    table = stores.manifest(60)
    plan = stores.plan(table, features={"layer-1": 5, "layer-2": 4}, weights_sha256="other")
    other = stores.complete(table, plan, name="other.zarr")
    pool(PoolSettings(store=other.path))
    with pytest.raises(SettingsError, match=r"--results .*expected whisper-tiny/layer-1 "):
        fit(settings(store=other.path, results=results))


def test_results_that_are_damaged_or_absent_are_refused(settings, results, tmp_path):
    with pytest.raises(MissingInputError, match="finished results"):
        fit(settings(results=tmp_path / "nowhere"))
    (results / "grid.csv").write_text("broken")
    with pytest.raises(DamagedFileError, match=r"grid\.csv"):
        fit(settings(results=results))


def test_results_of_a_file_of_splits(settings, results, tmp_path):
    splits = json.loads((results / "splits.json").read_text())
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"mine": splits["speaker"]}))
    model = load_model(fit(settings(splits_file=file)))
    assert model.estimate.protocol == "mine"
    assert model.estimate.num_test == 60
    file.write_text(json.dumps({"mine": splits["speaker"], "more": splits["speaker"]}))
    with pytest.raises(SettingsError, match="splits of one protocol, got 2"):
        fit(settings("other", splits_file=file))


def test_the_regression_of_results_may_hold_more_targets(settings, store, tmp_path, stores):
    wanted = settings()
    out = regress(
        RegressSettings(
            dataset="emodb",
            store=wanted.store,
            out=tmp_path / "dimensions",
            targets=("valence",),
            protocols=("speaker",),
            grid=GRID,
        )
    )
    model = load_model(fit(settings(head="ridge", target="valence", results=out)))
    assert model.estimate.results == str(out)


def test_the_card_begins_as_hugging_face_reads_it(settings):
    out = fit(settings())
    text = (out / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["library_name"] == "tokser"
    assert head["license"] == "other"
    assert head["pipeline_tag"] == "audio-classification"
    assert head["language"] == ["de"]
    (index,) = head["model-index"]
    metrics = {one["name"]: one["value"] for one in index["results"][0]["metrics"]}
    assert metrics["UAR (macro recall)"] == load_model(out).estimate.score
    for heading in ("Intended use", "How to use it", "Scores", "Limits", "By class"):
        assert f" {heading}\n" in body
    assert "| sex f |" in body


def test_the_ledger_says_that_the_test_parts_were_evaluated(settings, tmp_path):
    fit(settings())
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert sum("fold" in line for line in lines) == 4


def test_a_copied_results_folder_is_the_same(settings, results, tmp_path):
    shutil.copytree(results, tmp_path / "copied")
    assert ChecksummedFolder(tmp_path / "copied").faults() == {}
    fit(settings(results=tmp_path / "copied"))


def test_probabilities_are_calibrated_by_the_test_predictions(settings, store, tmp_path):
    model = load_model(fit(settings(coverage=(0.7, 0.9))))
    found = model.calibration
    table = pd.read_parquet(tmp_path / "model-results" / "predictions.parquet")
    raw = Predicted.of(table, model.classes, find_sampling_units(store.utterances))
    fitted = fit_calibration(raw, SetChoice((0.7, 0.9)))
    assert found.temperature == fitted.temperature.value
    values = {(one.exchangeable, one.level): one.value for one in found.thresholds}
    assert values["speakers", 0.9] is None
    assert values["speakers", 0.7] == fitted.thresholds["speakers", 0.7].value
    assert found.made_from["num_units"] == 4 and found.made_from["protocol"] == "speaker"
    crossed = calibrate_by_speakers(raw, SetChoice((0.7, 0.9)))
    covered = crossed.sets["speakers", 0.7][np.arange(60), raw.truth].mean()
    (whole,) = [
        row
        for row in found.coverage
        if (row["exchangeable"], row["level"], row["group_kind"]) == ("speakers", 0.7, "all")
    ]
    assert whole["coverage"] == pytest.approx(covered)
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"temperature {found.temperature:.3f}" in card
    assert "none: 4 speakers can promise at most 80.0 %" in card


def test_calibration_changes_probabilities_and_nothing_else(settings, store):
    with_it, without = (load_model(fit(settings(f"to-{on}", calibrate=on))) for on in (True, False))
    assert without.calibration is None
    settings_of = with_it.provenance["settings"]
    assert not {"calibrate", "coverage"} & set(settings_of)  # as versions before wrote
    raw = without.predict_store(store)
    pd.testing.assert_frame_equal(with_it.showing(raw=True).predict_store(store), raw)
    assert (with_it.predict_store(store)["label"] == raw["label"]).all()


@pytest.mark.parametrize("columns", [{"speaker": ""}, {"speaker": "s0"}])
def test_unknown_speakers_leave_it_uncalibrated(settings, stores, columns, caplog):
    caplog.set_level("INFO", logger="tokser")
    table = stores.manifest(60).assign(**columns)
    other = stores.complete(table, stores.plan(table, features={"layer-1": 5}), name="other.zarr")
    pool(PoolSettings(store=other.path))
    model = load_model(fit(settings(store=other.path, protocol="random")))
    assert model.calibration is None
    assert "fit: probabilities are not calibrated" in caplog.text


def test_numbers_are_not_calibrated(settings):
    assert load_model(fit(settings(target="valence", head="ridge"))).calibration is None
