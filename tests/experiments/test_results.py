import numpy as np
import pandas as pd
import pytest

from tokser.errors import InputError, MissingInputError
from tokser.experiments.results import (
    CLASSIFICATION,
    REGRESSION,
    TASKS,
    Column,
    Table,
    current_protocol,
    tables_in,
)

KEY = {"dataset": "emodb", "features": "NA", "protocol": "speaker", "setup": ""}
SCORES = {
    **(KEY | {"classifier": "mlp", "leaks": "", "seed": 0}),
    **dict.fromkeys(("uar", "uar_chance", "accuracy", "macro_f1", "weighted_f1"), 0.5),
    **dict.fromkeys(("n_test", "num_folds", "num_candidates"), 7),
}
AGREEMENT = {
    **(KEY | {"target": "valence", "regressor": "ridge", "leaks": "", "seed": 0}),
    **dict.fromkeys(("ccc", "pearson", "rmse"), -0.125),
    **dict.fromkeys(("n_test", "num_folds", "num_candidates"), 7),
}


def write(table: Table, path, *rows):
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("task", TASKS)
def test_tables_have_each_column_and_file_once(task):
    tables = TASKS[task].all
    assert len({table.file for table in tables}) == len(tables)
    for table in tables:
        assert len(set(table.names)) == len(table.names), table.file


@pytest.mark.parametrize("task", TASKS)
def test_the_columns_of_units_stand_in_all_tables_of_them(task):
    tables = TASKS[task]
    for table in (tables.scores, tables.grid, tables.predictions, tables.choices):
        assert set(tables.unit) <= set(table.names)
    assert f"dev_{tables.metric}_crossfit" in tables.grid.names


@pytest.mark.parametrize(
    ("table", "row"), [(CLASSIFICATION.scores, SCORES), (REGRESSION.scores, AGREEMENT)]
)
def test_what_is_written_is_read(table, row, tmp_path):
    written = table.frame([row, row | {"seed": 1, "num_units": 10}])
    (tmp_path / table.file).write_bytes(table.content(written))
    read = table.read(tmp_path / table.file)
    pd.testing.assert_frame_equal(read, written)
    assert list(read) == table.names
    assert read["num_units"].tolist() == [pd.NA, 10]
    assert read["features"].tolist() == ["NA", "NA"]


def test_predictions_keep_the_columns_of_all_classes(tmp_path):
    table = CLASSIFICATION.predictions
    row = {**KEY, "id": "a", "classifier": "mlp", "fold": 3, "label": "x", "prediction": "y"}
    frame = pd.DataFrame([row | {"probability_x": np.float32(0.1), "probability_y": 0.9}])
    (tmp_path / table.file).write_bytes(table.content(frame))
    read = table.read(tmp_path / table.file)
    assert [name for name in read if name.startswith("probability_")] == list(frame)[-2:]
    assert read["probability_x"].dtype == np.float32
    assert read.at[0, "fold"] == "3"
    assert "setup" not in read


def test_columns_that_earlier_versions_lack_are_blank(tmp_path):
    without = {name: value for name, value in SCORES.items() if name != "setup"}
    path = write(CLASSIFICATION.scores, tmp_path / "results.csv", without)
    [row] = CLASSIFICATION.scores.read(path).to_dict("records")
    assert (row["setup"], row["stamp"], row["no_interval"]) == ("", "", "")
    assert np.isnan(row["uar_low"]) and pd.isna(row["num_units"])


def test_former_names_of_protocols_are_read(tmp_path):
    path = write(CLASSIFICATION.scores, tmp_path / "results.csv", SCORES | {"protocol": "report"})
    assert CLASSIFICATION.scores.read(path)["protocol"].tolist() == ["random"]
    assert current_protocol("report") == "random"
    assert current_protocol("mine") == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uar": "much"}, "text in column uar, which holds numbers"),
        ({"uar": ""}, "a blank in column uar"),
        ({"accuracy": 1.5}, "1.5 in column accuracy, whose values are 0 to 1"),
        ({"n_test": 1.5}, "numbers in column n_test that are not whole"),
    ],
)
def test_wrong_values_are_told_with_their_column(change, message, tmp_path):
    path = write(CLASSIFICATION.scores, tmp_path / "results.csv", SCORES | change)
    with pytest.raises(InputError, match=message) as caught:
        CLASSIFICATION.scores.read(path)
    assert str(caught.value).startswith(f"{path}: expected a table with a row for each config")


def test_files_that_are_no_such_table_are_refused(tmp_path):
    path = tmp_path / "results.csv"
    with pytest.raises(MissingInputError, match=r"results\.csv: expected a table with a row"):
        CLASSIFICATION.scores.read(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column dataset, features"):
        CLASSIFICATION.scores.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"results\.csv"):
        CLASSIFICATION.scores.read(path)
    path.write_text("")
    with pytest.raises(InputError, match=r"results\.csv"):
        CLASSIFICATION.scores.read(path)
    path.write_text(",".join(CLASSIFICATION.scores.names) + "\n")
    with pytest.raises(InputError, match="got no row"):
        CLASSIFICATION.scores.read(path)
    broken = tmp_path / "predictions.parquet"
    broken.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"predictions\.parquet"):
        CLASSIFICATION.predictions.read(broken)


@pytest.mark.parametrize("text", ["", "\n", "dataset,features\n"])
def test_tables_that_may_be_empty_are_read_without_rows(text, tmp_path):
    path = tmp_path / "comparisons.csv"
    path.write_text(text)
    table = CLASSIFICATION.comparisons.read(path)
    assert table.empty and list(table) == CLASSIFICATION.comparisons.names


def test_flags_are_true_or_false():
    flags = Column("selected", "flag", required=True)
    assert flags.typed(pd.Series(["True", False])).tolist() == [True, False]
    with pytest.raises(ValueError, match="neither True nor False in column selected"):
        flags.typed(pd.Series(["yes"]))


def test_the_task_of_a_folder_shows_in_its_files(tmp_path):
    assert tables_in(tmp_path) is CLASSIFICATION
    (tmp_path / "regression.csv").touch()
    assert tables_in(tmp_path) is REGRESSION
