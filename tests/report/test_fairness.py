import pandas as pd
import pytest

from tokser.experiments.fairness.tables import gaps_table, groups_table
from tokser.experiments.results import CLASSIFICATION
from tokser.report.fairness import by_group
from tokser.report.scores import Configuration
from tokser.report.tasks import CLASSIFICATION as TASK

ROW = Configuration("a/layer-1", "logreg", "0", "", "a/layer-1")
KEY = {
    "dataset": "emodb", "features": "a/layer-1", "protocol": "speaker", "classifier": "logreg",
    "setup": "", "stamp": "",
}  # fmt: skip


def group(column, name, uar, **more):
    ends = {"uar_low": uar - 0.1, "uar_high": uar + 0.05, "no_interval": ""}
    counts = {"n_test": 40, "num_speakers": 5, "num_classes": 7, "num_seeds": 1}
    other = {"accuracy": uar, "macro_f1": uar}
    return KEY | {"column": column, "group": name, "uar": uar} | ends | counts | other | more


@pytest.fixture
def groups():
    short = {"uar_low": None, "uar_high": None, "no_interval": "fewer than 4 speakers"}
    rows = [group("sex", "f", 0.9), group("sex", "m", 0.8), group("age", "18 to 29", 0.7, **short)]
    return groups_table(CLASSIFICATION).frame(rows)


@pytest.fixture
def gaps():
    sex = {
        "highest": "f", "highest_score": 0.9, "lowest": "m", "lowest_score": 0.8, "gap": 0.1,
        "low": -0.02, "high": 0.22, "gap_by_chance": 0.04, "p": 0.0004, "p_adjusted": 0.02,
        "classes_left_out": "disgust", "num_groups": 2,
    }  # fmt: skip
    age = {"num_groups": 1, "no_interval": "too few", "no_test": "too few"}
    rows = [KEY | {"column": name} | own for name, own in (("sex", sex), ("age", age))]
    return gaps_table(CLASSIFICATION).frame(rows)


def shown(groups, gaps, protocol="speaker"):
    more = {"name": "emodb", "title": "EmoDB"}
    return by_group(groups, gaps, ROW, protocol, TASK.metrics, **more)


def test_groups_are_shown_with_intervals_or_why_not(groups, gaps):
    table = shown(groups, gaps).groups
    assert table.name == "emodb-groups-speaker"
    cells = [[str(cell) for cell in row] for row in table.rows]
    assert cells[0] == ["sex", "f", "90.0 [80.0, 95.0]", "90.0", "90.0", "7", "5", "40"]
    assert cells[2][:3] == ["age", "18 to 29", "70.0"]
    assert table.notes[-1] == "No interval: age: fewer than 4 speakers."


def test_gaps_are_shown_with_chance_and_p(groups, gaps):
    table = shown(groups, gaps).gaps
    cells = [[str(cell) for cell in row] for row in table.rows]
    assert cells[0] == [
        "sex", "2", "f (90.0 %)", "m (80.0 %)", "10.0 [-2.0, 22.0]".replace("-", "-"), "4.0",
        "< .001", ".020",
    ]  # fmt: skip
    assert cells[1] == ["age", "1", *["None"] * 6]
    assert table.notes[1:] == (
        "sex: without disgust, which not all groups have.", "age: no interval, too few."
    )  # fmt: skip


def test_the_figure_has_a_dot_for_each_group(groups, gaps):
    figure = shown(groups, gaps).figure
    assert "sex f: 90.0 %" in figure.description
    assert "18 to 29 (n = 40)" in str(figure)
    assert figure.render("svg").startswith(b"<?xml")


def test_many_speakers_leave_the_extremes_in_the_figure(gaps):
    rows = [group("speaker", f"s{i:02d}", 0.3 + i / 200) for i in range(60)]
    figure = shown(groups_table(CLASSIFICATION).frame(rows), gaps).figure
    assert figure.description.count("speaker s") == 40
    assert "speaker s00" in figure.description
    assert "speaker s59" in figure.description
    assert "speaker s30" not in figure.description


def test_a_configuration_without_groups_shows_nothing(groups, gaps):
    assert shown(groups, gaps, "random") is None
    assert shown(groups.iloc[:0], gaps) is None


def test_recalls_are_read_as_numbers(tmp_path, groups):
    table = groups_table(CLASSIFICATION)
    content = table.content(groups.assign(recall_fear=[0.5, None, 0.7]))
    (tmp_path / "groups.csv").write_bytes(content)
    read = table.read(tmp_path / "groups.csv")
    assert read["recall_fear"].tolist()[::2] == [0.5, 0.7]
    assert pd.isna(read["recall_fear"].iloc[1])
