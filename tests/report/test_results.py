import json

import pandas as pd
import pytest

from tokser.errors import InputError, MissingInputError
from tokser.report.results import read_inputs, read_scores


def test_whole_folders_are_read(folders):
    results, runs, _ = read_inputs([folders.results()], [folders.run("wide")])
    assert len(results[0].scores) == 4
    assert len(results[0].evaluations) == 22
    assert set(results[0].audit) == {"random", "speaker"}
    assert results[0].provenance["stage"] == "classify"
    assert runs[0].name == "wide"
    assert runs[0].settings["temperature"] == 0.07


def test_blank_ends_are_missing_and_blank_leaks_are_empty_text(folders):
    folder = folders.results(features=["NA", "null"])
    table = pd.read_csv(folder / "results.csv", keep_default_na=False)
    table["leaks"], table["uar_low"] = "", ["", *[0.5] * (len(table) - 2), ""]
    table.to_csv(folder / "results.csv", index=False)
    [scores] = read_scores([folder])
    assert set(scores["features"]) == {"NA", "null"}
    assert set(scores["leaks"]) == {""}
    assert scores["uar_low"].isna().sum() == 2


def test_all_missing_files_are_named_at_once_with_the_commands_that_make_them(folders):
    folder, run = folders.results(), folders.run()
    (folder / "grid.csv").unlink()
    (folder / "ledger.jsonl").unlink()
    (run / "metrics.csv").unlink()
    with pytest.raises(MissingInputError) as raised:
        read_inputs([folder, folders.root / "nowhere"], [run])
    message = str(raised.value)
    for name in (folder / "grid.csv", folder / "ledger.jsonl", run / "metrics.csv"):
        assert f"{name} does not exist" in message
    assert f"{folders.root / 'nowhere'} does not exist" in message
    assert f"`tokser classify --out {folder}`" in message
    assert f"`tokser pretrain --out {run}`" in message


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("summary.csv", "a,b\n1,2\n", "dataset, features"),
        ("summary.csv", "", "No columns"),
        ("comparisons.csv", "dataset,p\nemodb,1\n", "absent"),
        ("predictions.parquet", "no parquet", "predictions.parquet"),
        ("grid.csv", "dataset,features\nemodb,x\n", "absent"),
        ("audit.json", "{", "audit.json"),
        ("audit.json", '{"random": {"leaks": []}}', "`leaks` and `stamp` of protocol 'random'"),
        ("audit.json", "[]", "expected one JSON object, got list"),
        ("ledger.jsonl", "3\n", "one JSON object on each line"),
        ("provenance.json", "[]", "expected one JSON object"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(folders, name, content, told):
    folder = folders.results()
    (folder / name).write_text(content)
    with pytest.raises(InputError) as raised:
        read_inputs([folder])
    assert str(folder / name) in str(raised.value)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("uar", 90.3, "fractions from 0 to 1 in uar, got 90.3"),
        ("accuracy", "high", "expected numbers in column accuracy"),
        ("macro_f1", None, "got a blank"),
    ],
)
def test_scores_that_are_no_fractions_are_refused(folders, column, value, told):
    folder = folders.results()
    table = pd.read_csv(folder / "results.csv", keep_default_na=False).astype({column: object})
    table.loc[0, column] = value
    table.to_csv(folder / "results.csv", index=False)
    with pytest.raises(InputError, match=told):
        read_scores([folder])


@pytest.mark.parametrize("content", ["", "\n", "dataset,features\n"])
def test_logistic_regression_leaves_a_grid_without_rows(folders, content):
    folder = folders.results(classifiers=["logreg"])
    (folder / "grid.csv").write_text(content)
    [results], _, _ = read_inputs([folder])
    assert results.grid.empty
    assert "dev_uar" in results.grid


def test_a_file_in_place_of_a_folder_is_refused(folders):
    path = folders.root / "file"
    path.write_text("")
    with pytest.raises(InputError, match="expected a folder, got a file"):
        read_inputs([path])


def test_missing_and_broken_files_stand_in_one_message(folders):
    folder = folders.results()
    (folder / "grid.csv").unlink()
    (folder / "audit.json").write_text(json.dumps([]))
    with pytest.raises(InputError, match=r"grid\.csv does not exist; .*audit\.json"):
        read_inputs([folder])
