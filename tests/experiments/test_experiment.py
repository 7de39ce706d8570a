import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tokser.checksummed_folder import ChecksummedFolder
from tokser.config import ClassifySettings, GridSettings, PoolSettings, RegressSettings
from tokser.errors import (
    CorruptStoreError,
    DamagedFileError,
    InputError,
    MissingInputError,
    SettingsError,
    StoreMismatchError,
)
from tokser.experiments import experiment
from tokser.experiments.results import (
    CLASSIFICATION,
    DISTRIBUTION,
    MULTILABEL,
    REGRESSION,
)
from tokser.experiments.statistics.metrics import score
from tokser.stages.classify import classify
from tokser.stages.pool import pool
from tokser.stages.regress import regress
from tokser.store import open_store

pytestmark = pytest.mark.slow

FEATURES = ("whisper-tiny/layer-1", "whisper-tiny/layer-2")
BEST = "best(whisper-tiny/layer-1..2)"
BOTH = "best(mlp, logreg)"
GRID = GridSettings(batch_sizes=(8, 32), learning_rates=(1e-3, 5e-3), hidden=(6,), epochs=2)
TABLES = ("results", "summary", "classes", "confusion", "comparisons", "choices", "grid")
FILES = (*(f"{name}.csv" for name in TABLES), "predictions.parquet", "splits.json", "audit.json")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def store(stores):
    """Sixty utterances of four speakers, three emotions, two pooled features."""
    table = stores.manifest(60)
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 5, "layer-2": 4}))
    pool(PoolSettings(store=opened.path))
    return open_store(opened.path)


@pytest.fixture
def settings(store, tmp_path):
    def make(out="results", **changes) -> ClassifySettings:
        values = {
            "dataset": "emodb",
            "store": store.path,
            "out": tmp_path / out,
            "classifiers": ("mlp", "logreg"),
            "grid": GRID,
            "device": "cpu",
        }
        return ClassifySettings(**(values | changes))

    return make


def ledger(folder) -> list[dict]:
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def contents(folder) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("how", ["mean", "weighted"])
def test_averages_are_over_all_heads_too(settings, how):
    features = f"{how}(whisper-tiny/layer-1..2)"
    out = classify(settings(features=(features,), protocols=("speaker",), save_models=True))
    table = pd.read_parquet(out / "predictions.parquet").set_index("id")
    columns = [name for name in table if name.startswith("probability_")]
    both = table[table["classifier"] == f"{how}(mlp, logreg)"]
    assert set(both["features"]) == {features}
    members = [
        table.query("features == @f and classifier == @c").loc[both.index, columns]
        for f, c in itertools.product(FEATURES, ("mlp", "logreg"))
    ]
    assert all(len(own) == 60 for own in members)
    least, most = (np.array(members).min(axis=0), np.array(members).max(axis=0))
    found = both[columns].to_numpy()
    assert ((found >= least - 1e-9) & (found <= most + 1e-9)).all()
    if how == "mean":
        np.testing.assert_allclose(found, np.mean(members, axis=0), atol=1e-9)
    kept = pd.read_csv(out / "models" / "models.csv")
    assert (kept["classifier"] == f"{how}(mlp, logreg)").sum() == 4


def test_results_have_their_columns_and_a_row_for_every_unit(settings):
    out = classify(settings())
    lines = (out / "results.csv").read_text().splitlines()
    assert lines[0].split(",") == CLASSIFICATION.scores.names
    results = pd.read_csv(out / "results.csv")
    units = results[["features", "protocol", "classifier"]].apply(tuple, axis=1)
    assert sorted(units) == sorted(
        (f, p, c)
        for f, p in itertools.product((*FEATURES, BEST), ("random", "speaker"))
        for c in (("mlp", "logreg", BOTH) if f == BEST else ("mlp", "logreg"))
    )
    candidates = results.set_index(["features", "classifier"])["num_candidates"]
    assert set(candidates[BEST, "mlp"]) == {2}
    assert set(candidates[BEST, BOTH]) == {4}
    assert set(candidates[FEATURES[0], "mlp"]) == {1}
    by_protocol = results.set_index("protocol")
    assert set(by_protocol.loc["random", "n_test"]) == {6}
    assert set(by_protocol.loc["random", "num_folds"]) == {1}
    assert by_protocol.loc["random", "uar_fold_std"].isna().all()
    assert set(results["unit"]) == {"speaker"}
    assert set(results["num_units"]) == {4}
    assert set(results["uar_chance"]) == {1 / 3}
    assert set(by_protocol.loc["random", "leaks"]) == {"speakers sentences"}
    assert set(by_protocol.loc["speaker", "n_test"]) == {60}
    assert set(by_protocol.loc["speaker", "num_folds"]) == {4}
    assert set(by_protocol.loc["speaker", "leaks"]) == {"sentences"}


def test_scores_are_those_of_all_predictions_together(settings):
    out = classify(settings())
    predictions = pd.read_parquet(out / "predictions.parquet")
    results = pd.read_csv(out / "results.csv")
    for row in results.itertuples():
        mine = predictions[
            (predictions["features"] == row.features)
            & (predictions["protocol"] == row.protocol)
            & (predictions["classifier"] == row.classifier)
        ]
        folds = [
            score(part["label"].tolist(), part["prediction"].tolist())
            for _, part in mine.groupby("fold")
        ]
        pooled = score(mine["label"].tolist(), mine["prediction"].tolist())
        for name in ("uar", "accuracy", "macro_f1", "weighted_f1"):
            assert getattr(row, name) == pytest.approx(getattr(pooled, name))
        assert row.uar_fold_mean == pytest.approx(np.mean([fold.uar for fold in folds]))
        if len(folds) > 1:
            assert row.uar_fold_std == pytest.approx(np.std([f.uar for f in folds], ddof=1))


def test_predictions_have_their_columns(settings, store):
    out = classify(settings())
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert list(predictions.columns) == [
        "id", "features", "protocol", "classifier", "seed", "fold", "label", "prediction",
        "probability_anger", "probability_neutral", "probability_sadness", "stamp",
    ]  # fmt: skip
    labels = store.utterances["label"]
    assert predictions["label"].tolist() == labels.loc[predictions["id"]].tolist()
    np.testing.assert_allclose(predictions.filter(like="probability_").sum(axis=1), 1, rtol=1e-6)
    splits = json.loads((out / "splits.json").read_text())
    tests = {(p, s["fold"]): s["test"] for p, folds in splits.items() for s in folds}
    for key, part in predictions.groupby(["features", "classifier", "protocol", "fold"]):
        assert part["id"].tolist() == tests[key[2:]]


def test_the_grid_holds_whole_numbers_beside_logistic_regression(settings):
    out = classify(settings())
    grid = pd.read_csv(out / "grid.csv", dtype=str)
    assert set(grid["selected"]) == {"True", "False"}
    assert set(grid["classifier"]) == {"mlp", "logreg"}
    assert set(grid.loc[grid["classifier"] == "logreg", "C"]) == {"1.0"}
    grid = grid[grid["classifier"] == "mlp"]
    assert set(grid["batch_size"]) == {"8", "32"}
    assert set(grid["best_epoch"]) <= {"1", "2"}
    chosen = grid[grid["selected"] == "True"]
    assert len(chosen) == len(FEATURES) * (1 + 4)
    assert len(grid) == len(chosen) * 4


def test_the_ledger_has_one_line_for_each_unit_and_fold(settings):
    out = classify(settings())
    evaluated = ledger(out)
    keys = [(k["features"], k["protocol"], k["classifier"], k["fold"]) for k in evaluated]
    assert len(keys) == len(set(keys)) == ((len(FEATURES) + 1) * 2 + 1) * (1 + 4)
    assert {entry["dataset"] for entry in evaluated} == {"emodb"}
    assert {entry["other_runs"] for entry in evaluated} == {0}
    of_mlp = [
        entry["configuration"]
        for entry in evaluated
        if entry["classifier"] == "mlp" and entry["features"] in FEATURES
    ]
    assert {configuration["batch_size"] for configuration in of_mlp} <= {8, 32}


def test_another_run_is_one_that_evaluates_something_else(settings, store, tmp_path):
    changes = {"classifiers": ("logreg",), "features": FEATURES[:1]}
    first = classify(settings("a/first", **changes))
    again = classify(settings("b/again", **changes, num_seeds=2))
    later = classify(settings("c/later", **changes, protocols=("speaker", "random"), seed=1))
    other = classify(settings("d/other", **changes, functionals=("mean",)))
    for same in (first, again, later):
        assert {line["other_runs"] for line in ledger(same)} == {0}
    fields = ("other_runs", "other_runs_identical", "overlap")
    assert {tuple(line[f] for f in fields) for line in ledger(other)} == {(1, 1, 1)}
    speaker = [line for line in ledger(other) if line["protocol"] == "speaker"]
    # One by each of the three calls, and those of random splits that overlap.
    assert min(line["other_evaluations"] for line in speaker) >= 3
    shared = Path(store.path).parent / "ledger.jsonl"
    assert len({line["run"] for line in ledger(shared.parent) if "run" in line}) == 2
    assert not any((tmp_path / parent / "ledger.jsonl").exists() for parent in "abcd")


def test_a_test_set_with_an_utterance_fewer_is_not_a_new_one(settings, tmp_path):
    changes = {"classifiers": ("logreg",), "features": FEATURES[:1]}
    first = classify(settings("first", **changes, protocols=("speaker",)))
    splits = json.loads((first / "splits.json").read_text())
    for fold in splits["speaker"]:
        fold["test"].pop()
    (tmp_path / "fewer.json").write_text(json.dumps(splits))
    fewer = classify(settings("fewer", **changes, splits_file=tmp_path / "fewer.json"))
    fields = ("other_runs", "other_runs_identical", "overlap")
    assert {tuple(line[f] for f in fields) for line in ledger(fewer)} == {(1, 0, 1)}


@pytest.mark.parametrize(
    ("ledger", "error", "message"),
    [
        ("results/ledger.jsonl", SettingsError, r"--ledger .*expected a file that runs share"),
        ("notes.txt", InputError, r"notes\.txt, line 1: expected a JSON object.*--ledger"),
    ],
)
def test_a_ledger_that_cannot_be_shared_is_refused_first(
    settings, tmp_path, ledger, error, message
):
    (tmp_path / "notes.txt").write_text("to do\n")
    refused(settings(ledger=tmp_path / ledger, classifiers=("logreg",)), error, message)
    assert (tmp_path / "notes.txt").read_text() == "to do\n"


def test_the_audit_is_kept_for_each_protocol(settings):
    out = classify(settings())
    audit = json.loads((out / "audit.json").read_text())
    assert audit["random"]["stamp"] == "LEAKS SPEAKERS"
    assert audit["speaker"]["stamp"] == ""


@pytest.fixture(params=["classification", "distribution", "multilabel", "regression"])
def run(request, stores, tmp_path):
    """Run a small experiment of either task; returns its tables and its folder."""
    table = stores.manifest(40).assign(valence=[1 + i % 7 / 2 for i in range(40)])
    for place, name in enumerate(sorted(set(table["label"]))):
        votes = [3 * (own == name) + (i % 4 == place) for i, own in enumerate(table["label"])]
        table[f"label_{name}"] = votes
    opened = stores.complete(table, stores.plan(table, features={"layer-1": 5, "layer-2": 4}))
    pool(PoolSettings(store=opened.path))
    common = {"dataset": "emodb", "store": opened.path, "device": "cpu", "protocols": ("speaker",)}

    def make(out="results", **changes):
        chosen = common | {"out": tmp_path / out} | changes
        if request.param == "regression":
            return REGRESSION, regress(RegressSettings(**chosen, targets=("valence",)))
        tables = {t.task: t for t in (CLASSIFICATION, DISTRIBUTION, MULTILABEL)}[request.param]
        labels = "single" if tables is CLASSIFICATION else tables.task
        more = {"classifiers": ("logreg",), "labels": labels}
        return tables, classify(ClassifySettings(**chosen, **more))

    return make


def test_a_folder_holds_every_table_of_its_task(run):
    tables, out = run()
    for table in tables.all:
        found = table.read(out / table.file)
        assert len(found), table.file
    units = list(tables.unit)
    scores = tables.scores.read(out / tables.scores.file)
    predictions = tables.predictions.read(out / tables.predictions.file)
    assert set(map(tuple, scores[units].to_numpy())) == set(
        map(tuple, predictions[units].astype({"seed": "int64"}).to_numpy())
    )
    assert scores["features"].tolist() == [*FEATURES, BEST]
    assert tables.choices.read(out / "choices.csv")["fold"].nunique() == scores["num_folds"].max()


def test_a_second_call_does_nothing(run):
    _, out = run()
    before = contents(out)
    assert run()[1] == out
    assert contents(out) == before


def test_stopped_after_a_unit_a_task_goes_on(run, monkeypatch):
    tables, whole = run("whole")
    real = experiment.search

    def stop_at_the_second_feature(head, data, **options):
        if data.functionals.shape[1] == 8:
            raise KeyboardInterrupt
        return real(head, data, **options)

    monkeypatch.setattr(experiment, "search", stop_at_the_second_feature)
    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.setattr(experiment, "search", real)
    _, out = run()
    for table in tables.all:
        assert (out / table.file).read_bytes() == (whole / table.file).read_bytes(), table.file
    assert len(ledger(out)) == len(ledger(whole))


def test_a_folder_of_a_former_version_is_gone_on_with(run, monkeypatch):
    """Former versions called the random protocol `report`: digests say so still."""
    _, out = run(protocols=("random",))
    begun = json.loads((out / "begun.json").read_text())
    begun["settings"]["protocols"] = ["report"]
    (out / "begun.json").write_text(json.dumps(begun))
    ChecksummedFolder(out).note("begun.json")
    before = contents(out)
    assert run(protocols=("report",))[1] == out
    assert contents(out) == before


def test_stopped_in_the_middle_it_goes_on_and_ends_alike(settings, monkeypatch):
    whole = classify(settings("whole"))
    real, calls = experiment.search, []  # of two features under two protocols

    def stop_at_the_second(*args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(experiment, "search", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        classify(settings())
    out = settings().out
    assert not (out / "results.csv").exists()
    assert not (out / "provenance.json").exists()
    num_evaluated = len(ledger(out))
    calls.extend([()] * 10)  # it stops no more
    num_before = len(calls)
    classify(settings())
    assert len(calls) - num_before == 6  # of eight searches two were done
    for name in FILES:
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    assert 0 < num_evaluated < len(ledger(out)) == len(ledger(whole))


def test_other_settings_into_the_same_folder_are_refused(settings):
    out = classify(settings())
    before = contents(out)
    with pytest.raises(SettingsError, match="one begun otherwise"):
        classify(settings(seed=1))
    assert contents(out) == before


def test_a_folder_begun_otherwise_is_refused_at_once(settings, monkeypatch):
    classify(settings(protocols=("random", "speaker"), classifiers=("logreg",)))
    monkeypatch.setattr(experiment, "load", None)  # nothing is read before
    with pytest.raises(SettingsError) as caught:
        classify(
            settings(
                protocols=("random",),
                classifiers=("logreg",),
                grid=GRID.model_copy(update={"epochs": 3}),
            )
        )
    told = "grid.epochs 2, now 3; protocols ['random', 'speaker'], now ['random']"
    assert caught.value.got == f"one begun otherwise ({told})"


def test_other_rows_in_the_store_are_other_results(settings, store, stores, tmp_path):
    chosen = {"protocols": ("random",), "classifiers": ("logreg",)}
    out = classify(settings(**chosen))
    before = contents(out)
    other = type(stores)(tmp_path / "other")
    other.rows = lambda plan, feature, place: 2 * stores.rows(plan, feature, place)
    table = stores.manifest(60)
    opened = other.complete(table, other.plan(table, features={"layer-1": 5, "layer-2": 4}))
    pool(PoolSettings(store=opened.path))
    assert open_store(opened.path).identity(FEATURES[0]) == store.identity(FEATURES[0])
    with pytest.raises(SettingsError, match=r"\(rows of functionals/whisper-tiny/layer-1 "):
        classify(settings(store=opened.path, **chosen))
    assert contents(out) == before
    scores = [pd.read_csv(at / "results.csv") for at in (out, classify(settings("new", **chosen)))]
    pd.testing.assert_frame_equal(*scores)


@pytest.mark.parametrize("finished", [True, False])
def test_a_damaged_part_is_trained_again_and_said(settings, capsys, finished):
    chosen = {"protocols": ("random",), "classifiers": ("logreg",)}
    out = classify(settings(**chosen))
    before = contents(out)
    if not finished:
        ChecksummedFolder(out).drop("provenance.json")
    part = next(path for path in out.glob("parts/*.parquet") if "trials" not in path.name)
    damaged = bytearray(part.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    part.write_bytes(damaged)
    classify(settings(**chosen))
    assert f"{part} has another digest" in capsys.readouterr().err.replace("\n", "")
    after = contents(out)
    for name in before.keys() - {"ledger.jsonl", "SHA256SUMS"}:
        assert before[name] == after[name], name


def test_splits_of_a_results_folder_that_changed_are_refused(settings, tmp_path):
    out = classify(settings(protocols=("random",), classifiers=("logreg",)))
    file = out / "splits.json"
    file.write_text(file.read_text().replace("utt003", "utt004", 1))
    with pytest.raises(DamagedFileError, match=r"splits\.json: .* copy the file elsewhere"):
        classify(settings("other", splits_file=file))


def test_a_folder_with_other_things_is_left_alone(settings, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "thesis.tex").write_text("mine")
    with pytest.raises(SettingsError, match="a new folder"):
        classify(settings())
    assert contents(tmp_path / "results") == {"thesis.tex": b"mine"}


def test_a_feature_named_twice_is_scored_once(settings):
    out = classify(
        settings(
            features=(FEATURES[0], FEATURES[0]),
            protocols=("speaker", "speaker"),
            classifiers=("logreg", "logreg"),
        )
    )
    assert len(pd.read_csv(out / "results.csv")) == 1
    assert len(ledger(out)) == 4
    for name in ("comparisons.csv", "choices.csv"):
        assert len((out / name).read_text().splitlines()) == 1  # the header


def test_only_the_named_features_are_scored(settings):
    out = classify(settings(features=FEATURES[1:], classifiers=("logreg",)))
    assert set(pd.read_csv(out / "results.csv")["features"]) == {FEATURES[1]}


def test_the_random_split_follows_the_seed(settings):
    tests = [
        json.loads((classify(settings(str(seed), seed=seed)) / "splits.json").read_text())
        for seed in (0, 1)
    ]
    assert tests[0]["random"] != tests[1]["random"]
    assert tests[0]["speaker"] == tests[1]["speaker"]


def refused(settings, error, pattern):
    with pytest.raises(error, match=pattern) as caught:
        classify(settings)
    assert caught.value.exit_code == 2
    assert not settings.out.exists()


def test_another_dataset_is_refused(settings):
    refused(
        settings(dataset="iemocap"),
        StoreMismatchError,
        r"expected a store of iemocap, got one of emodb\. Name the dataset emodb, or another store",
    )


def test_an_unknown_feature_is_refused_with_the_pooled_ones(settings):
    refused(
        settings(features=("whisper-tiny/layer-9",)),
        SettingsError,
        r"expected pooled features; there are whisper-tiny/layer-1, whisper-tiny/layer-2, "
        r"got whisper-tiny/layer-9\. Name features that are pooled",
    )


def test_a_store_without_functionals_names_the_command(settings, stores):
    bare = stores.complete(stores.manifest(60), name="bare.zarr")
    refused(
        settings(store=bare.path),
        SettingsError,
        r"expected pooled features, got none\. Run `tokser pool --store .*bare\.zarr`",
    )


def test_no_store_at_all_is_said_so(settings, tmp_path):
    refused(settings(store=str(tmp_path / "no.zarr")), MissingInputError, r"no\.zarr")


def test_an_unknown_device_is_refused_before_anything_is_written(settings):
    refused(settings(device="cuda:99"), SettingsError, "--device: expected auto, cpu.*got cuda:99")


def test_missing_labels_are_refused_before_anything_is_written(settings, stores):
    table = stores.manifest(60).assign(label="")
    unlabelled = stores.complete(table, stores.plan(table), name="unlabelled.zarr")
    pool(PoolSettings(store=unlabelled.path))
    refused(settings(store=unlabelled.path), InputError, "expected a label for every utterance")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_functionals_that_were_damaged_on_disk_are_named(settings, store, value):
    good = store[FEATURES[1]].functionals().loc["utt007"].to_numpy(dtype="<f4")
    damaged = good.copy()
    damaged[3] = value
    folder = Path(store.path, "functionals", FEATURES[1])
    (file,) = (f for f in folder.rglob("*") if f.is_file() and good.tobytes() in f.read_bytes())
    file.write_bytes(file.read_bytes().replace(good.tobytes(), damaged.tobytes()))
    refused(
        settings(check=False),
        InputError,
        r"toy\.zarr, whisper-tiny/layer-2: expected finite functionals, "
        r"got NaN or infinity for utt007\. Run `tokser store verify`, then pool again",
    )
    with pytest.raises(CorruptStoreError, match=r"layer-2, utt007: expected.*`tokser pool`"):
        classify(settings())


def test_what_one_feature_lacks_is_left_out_of_all_and_said_so(settings, stores, capsys):
    table = stores.manifest(60)
    whole = stores.plan(table, name="whisper-tiny", features={"layer-2": 4})
    holed = stores.plan(table, name="wavlm-tiny", features={"layer-3": 4})
    with stores.writer(table, name="holed.zarr") as writer:
        stores.fill(writer.plan_group(whole), whole)
        group = writer.plan_group(holed)
        for shard, features in group.pending().items():
            first, after = group.layout.shard_utterances(shard)
            rows = {f: [stores.rows(holed, f, i) for i in range(first, after)] for f in features}
            reasons = {}
            if first <= 5 < after:
                reasons["utt005"] = "too short"
                rows["layer-3"][5 - first] = None
            group.commit(shard, rows, reasons)
    path = str(stores.folder / "holed.zarr")
    pool(PoolSettings(store=path))
    out = classify(settings(store=path, classifiers=("logreg",), protocols=("speaker",)))
    assert "1 utterances lack a feature and are left out: utt005" in capsys.readouterr().err
    predictions = pd.read_parquet(out / "predictions.parquet")
    for _, part in predictions.groupby("features"):
        assert sorted(part["id"]) == sorted(set(table.index) - {"utt005"})
    assert predictions["features"].nunique() == 3  # both, and the choice among them


def test_folders_of_earlier_versions_are_recognised(settings):
    """Their stamps say `classifiers`, and know nothing of what came later."""
    made = settings(protocols=("random",), classifiers=("logreg",))
    stamped = json.loads((classify(made) / "provenance.json").read_text())["settings"]
    assert stamped["classifiers"] == ["logreg"]
    later = {"heads", "head_grid", "search", "trials", "track", "save_models"}
    assert not later & set(stamped)
    assert ClassifySettings.parse(stamped, where="provenance") == made
