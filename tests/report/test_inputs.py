import json

import pandas as pd
import pytest

from tokser.errors import InputError, MissingInputError
from tokser.report.inputs import read_inputs, read_scores


def test_whole_folders_are_read(folders):
    results, runs, studies = read_inputs([folders.results()], [folders.run("wide")])
    assert studies == []
    assert len(results[0].scores) == 4
    assert len(results[0].evaluations) == 22
    assert set(results[0].audit) == {"random", "speaker"}
    assert results[0].provenance["stage"] == "classify"
    assert runs[0].name == "wide"
    assert runs[0].settings["temperature"] == 0.07


def test_blank_numbers_are_missing_and_blank_texts_empty(folders):
    folder = folders.results(features=["NA", "null"])
    table = pd.read_csv(folder / "results.csv", keep_default_na=False)
    table["leaks"], table["uar_low"] = "", ["", *[0.5] * (len(table) - 2), ""]
    table.to_csv(folder / "results.csv", index=False)
    [scores] = read_scores([folder])
    assert set(scores["features"]) == {"NA", "null"}
    assert set(scores["leaks"]) == {""}
    assert scores["uar_low"].isna().sum() == 2


def test_all_missing_files_are_named_with_their_commands(folders):
    folder, run = folders.results(), folders.run()
    (folder / "comparisons.csv").unlink()
    (folder / "ledger.jsonl").unlink()
    (run / "metrics.csv").unlink()
    with pytest.raises(MissingInputError) as raised:
        read_inputs([folder, folders.root / "nowhere"], [run])
    message = str(raised.value)
    for name in (folder / "comparisons.csv", folder / "ledger.jsonl", run / "metrics.csv"):
        assert f"{name} does not exist" in message
    assert f"{folders.root / 'nowhere'} does not exist" in message
    assert f"`tokser classify --out {folder}`" in message
    assert f"`tokser pretrain --out {run}`" in message


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("summary.csv", "a,b\n1,2\n", "no column dataset, features"),
        ("summary.csv", "", "No columns"),
        ("comparisons.csv", "dataset,p\nemodb,1\n", "no column protocol"),
        ("predictions.parquet", "no parquet", "predictions.parquet"),
        ("confusion.csv", "dataset,features\nemodb,x\n", "no column protocol"),
        ("audit.json", "{", "audit.json"),
        ("audit.json", '{"random": {"leaks": []}}', "`leaks` and `stamp` of protocol 'random'"),
        ("audit.json", "[]", "expected one JSON object, got list"),
        ("ledger.jsonl", "3\n", "one JSON object on each line"),
        ("provenance.json", "[]", "expected one JSON object"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(folders, name, content, fault):
    folder = folders.results()
    (folder / name).write_text(content)
    with pytest.raises(InputError) as raised:
        read_inputs([folder])
    assert str(folder / name) in str(raised.value)
    assert fault in str(raised.value)


@pytest.mark.parametrize(
    ("name", "column", "value", "fault"),
    [
        ("summary.csv", "uar", 90.3, "90.3 in column uar, whose values are 0 to 1"),
        ("summary.csv", "accuracy", "high", "text in column accuracy, which holds numbers"),
        ("summary.csv", "macro_f1", None, "a blank in column macro_f1"),
        ("regression.csv", "ccc", 43.0, "43 in column ccc, whose values are -1 to 1"),
        ("regression.csv", "rmse", "high", "text in column rmse"),
        ("regression.csv", "n_test", None, "a blank in column n_test"),
    ],
)
def test_scores_out_of_their_range_are_refused(folders, name, column, value, fault):
    folder = folders.regression() if name == "regression.csv" else folders.results()
    table = pd.read_csv(folder / name, keep_default_na=False).astype({column: object})
    table.loc[0, column] = value
    table.to_csv(folder / name, index=False)
    with pytest.raises(InputError, match=fault):
        read_inputs([folder])


@pytest.mark.parametrize("name", ["choices.csv", "confusion.csv"])
def test_tables_that_earlier_versions_lack_may_be_absent(folders, name):
    folder = folders.results()
    (folder / name).unlink()
    (results,) = read_inputs([folder]).experiments
    table = getattr(results, name.removesuffix(".csv"))
    assert table.empty and {"dataset", "target", "protocol"} <= set(table)


def test_both_tasks_come_in_the_same_columns(folders):
    keys = {"features", "protocol", "target", "classifier", "setup", "seeds"}
    for one in read_inputs([folders.results(), folders.regression()]).experiments:
        assert keys <= set(one.scores) and keys <= set(one.predictions)
        assert {"protocol", "target", "classifier"} <= set(one.comparisons)


def test_the_former_name_of_a_protocol_is_read(folders):
    folder = folders.results()
    for path in folder.glob("*.csv"):
        table = pd.read_csv(path, keep_default_na=False)
        table.replace({"protocol": {"random": "report"}}).to_csv(path, index=False)
    for name in ("audit.json", "ledger.jsonl", "provenance.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace('"random"', '"report"'))
    predictions = pd.read_parquet(folder / "predictions.parquet")
    predictions["protocol"] = predictions["protocol"].replace("random", "report")
    predictions.to_parquet(folder / "predictions.parquet")
    (found,) = read_inputs([folder]).experiments
    for name in ("scores", "predictions", "comparisons", "confusion"):
        assert set(getattr(found, name)["protocol"]) == {"random", "speaker"}, name
    assert set(found.audit) == {"random", "speaker"}
    assert {line["protocol"] for line in found.evaluations} == {"random", "speaker"}
    assert found.settings["protocols"] == ["random", "speaker"]


def test_the_command_of_the_folder_is_named(folders):
    folder = folders.regression()
    (folder / "audit.json").unlink()
    with pytest.raises(InputError, match=f"tokser regress --out {folder}"):
        read_inputs([folder])


def test_a_file_in_place_of_a_folder_is_refused(folders):
    path = folders.root / "file"
    path.write_text("")
    with pytest.raises(InputError, match="expected a folder, got a file"):
        read_inputs([path])


def test_missing_and_broken_files_stand_in_one_message(folders):
    folder = folders.results()
    (folder / "comparisons.csv").unlink()
    (folder / "audit.json").write_text(json.dumps([]))
    with pytest.raises(InputError, match=r"comparisons\.csv does not exist; .*audit\.json"):
        read_inputs([folder])
