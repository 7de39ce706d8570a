import json

import pandas as pd
import pytest
from click.testing import CliRunner

from tokser.cli import main
from tokser.config import PoolSettings
from tokser.stages.pool import pool

pytestmark = pytest.mark.slow


@pytest.fixture
def store(stores) -> str:
    table = stores.manifest(60).assign(session=[str(i % 4 + 1) for i in range(60)])
    for number, name in enumerate(("valence", "arousal", "dominance")):
        table[name] = [1 + (i * (number + 3)) % 7 / 2 for i in range(60)]
    plan = stores.plan(table, features={"layer-1": 5, "layer-2": 4})
    opened = stores.complete(table, plan, name="iemocap.zarr", dataset="iemocap")
    pool(PoolSettings(store=opened.path))
    return opened.path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def cells_of(output: str) -> str:
    """Put the lines of a table's cells together again."""
    return " ".join(output.replace("│", " ").split())


def test_audit_shows_what_leaks_and_exits_with_0(store):
    result = run("audit", "--store", store)
    assert result.exit_code == 0, result.output
    for word in (
        "LEAKS SPEAKERS",
        "4 speakers",
        "one error costs 16.67 points",
        "sentences shared",
    ):
        assert word in " ".join(result.output.split()), word


def test_audit_prints_json(store):
    result = run("audit", "--store", store, "--protocol", "speaker,kfold", "--folds", 4, "--json")
    found = json.loads(result.stdout)
    assert found["speaker"]["stamp"] == found["kfold"]["stamp"] == ""
    assert found["kfold"]["num_folds"] == 4


def test_classify_takes_expressions_grids_and_seeds(store, tmp_path):
    out = tmp_path / "out"
    result = run(
        *("classify", "--dataset", "iemocap", "--store", store, "--out", out),
        *("--features", "whisper-tiny/layer-1 + whisper-tiny/layer-2, mean(whisper-tiny/layer-*)"),
        *("--grid", "batch_size=8,16,hidden=6,epochs=2", "--protocol", "random,speaker"),
        *("--seeds", 2, "--functionals", "mean"),
    )
    assert result.exit_code == 0, result.output
    assert "UAR [95 %]" in result.output
    assert "LEAKS SPEAKERS" in result.output
    summary = pd.read_csv(out / "summary.csv")
    assert set(summary["features"]) == {
        "whisper-tiny/layer-1:mean + whisper-tiny/layer-2:mean",
        "whisper-tiny/layer-1:mean",
        "whisper-tiny/layer-2:mean",
        "mean(whisper-tiny/layer-1..2:mean)",
        "best(whisper-tiny/layer-1:mean + whisper-tiny/layer-2:mean, whisper-tiny/layer-1..2:mean)",
    }
    assert "selected on dev in each fold among 3; chance" in " ".join(result.output.split())
    assert set(summary["seeds"]) == {"0 1"}
    assert len(pd.read_csv(out / "results.csv")) == 2 * len(summary)


def test_splits_of_one_run_are_used_again_by_another(store, tmp_path):
    first, again = tmp_path / "first", tmp_path / "again"
    usual = ("classify", "--dataset", "iemocap", "--store", store, "--classifier", "logreg")
    assert run(*usual, "--protocol", "random", "--seed", 3, "--out", first).exit_code == 0
    told = ("--splits", first / "splits.json", "--seed", 3)
    result = run(*usual, *told, "--out", again)
    assert result.exit_code == 0, result.output
    for name in ("results.csv", "splits.json"):
        assert (again / name).read_bytes() == (first / name).read_bytes()
    result = run(*usual, *told, "--protocol", "random", "--out", tmp_path / "third")
    assert result.exit_code == 2
    assert "names other than those of the protocols" in result.output
    result = run(*usual, "--splits", first / "splits.json", "--out", tmp_path / "fourth")
    assert result.exit_code == 2
    assert "expected folds for seed 0, got folds for 3" in result.output


def test_regress_predicts_all_three_dimensions(store, tmp_path):
    out = tmp_path / "out"
    result = run(
        *("regress", "--dataset", "iemocap", "--store", store, "--out", out),
        *("--features", "whisper-tiny/layer-*", "--protocol", "speaker"),
    )
    assert result.exit_code == 0, result.output
    assert "CCC [95 %]" in result.output
    assert set(pd.read_csv(out / "regression.csv")["target"]) == {"valence", "arousal", "dominance"}


def test_audit_reports_unknown_speakers(stores):
    table = stores.manifest(60).assign(speaker="", transcript="")
    path = stores.complete(table, stores.plan(table)).path
    result = run("audit", "--store", path, "--protocol", "random")
    assert result.exit_code == 0, result.output
    told = cells_of(result.output)
    assert "SPEAKERS UNKNOWN: nothing that is known" in told
    assert "60 of 60 utterances have no speaker" in told


def test_audit_counts_all_that_is_shared_though_it_names_a_few(stores):
    table = stores.manifest(60).assign(speaker=[f"actor{i % 12:02d}" for i in range(60)])
    path = stores.complete(table, stores.plan(table)).path
    fold = {"fold": "x", "train": [*table.index[:30]], "test": [*table.index[30:]]}
    (stores.folder / "mine.json").write_text(json.dumps({"mine": [fold]}))
    result = run("audit", "--store", path, "--splits", stores.folder / "mine.json")
    told = cells_of(result.output)
    assert "12 speakers" in told
    assert "actor00, actor01, actor02 and 9 more" in told


def test_an_unknown_protocol_gets_the_nearest_one_named(store):
    result = run("audit", "--store", store, "--protocol", "speaker, lso")
    assert result.exit_code == 2
    told = " ".join(result.output.split())
    assert "protocols.1 = 'lso', which is none of random, speaker" in told
    assert "nearest known: 'loso'" in told
    assert run("audit", "--store", store, "--protocol", "loso, random").exit_code == 0


def test_fit_shows_the_score_and_where_the_model_is(store, tmp_path):
    usual = ("fit", "--dataset", "iemocap", "--store", store, "--features", "whisper-tiny/layer-1")
    result = run(*usual, "--head", "logreg", "--out", tmp_path / "model")
    assert result.exit_code == 0, result.output
    assert "UAR (UA)" in result.stdout
    assert "n = 60, protocol speaker" in result.stdout
    assert f"model -> {tmp_path / 'model'}" in result.stdout
    assert (tmp_path / "model-results" / "results.csv").is_file()
    again = run(*usual, "--head", "svm", "--out", tmp_path / "model")
    assert again.exit_code == 2
    assert "head logreg, now svm" in " ".join(again.output.split())


def test_fit_lies_in_the_workspace_by_default(tmp_path, stores):
    table = stores.manifest(40)
    (tmp_path / "stores").mkdir()
    opened = stores.complete(table, stores.plan(table), name="stores/emodb.zarr")
    pool(PoolSettings(store=opened.path))
    result = run(
        *("fit", "--dataset", "emodb", "--features", "whisper-tiny/layer-2", "--head", "logreg"),
        *("--workspace", tmp_path),
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "models" / "emodb" / "model.json").is_file()
    assert (tmp_path / "models" / "emodb-results" / "results.csv").is_file()
