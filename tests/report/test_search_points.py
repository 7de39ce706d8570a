import itertools

import pandas as pd
import pytest

from tokser.report.inputs import read_inputs
from tokser.report.search_points import search_panel
from tokser.report.sections import find_sections
from tokser.report.tasks import CLASSIFICATION

SIZES, RATES = (8, 64, 512), (1e-3, 5e-3)


def dev(size, rate, fold, protocol):
    return 0.5 + SIZES.index(size) / 10 + fold / 100 - 10 * rate - 0.1 * (protocol == "random")


@pytest.fixture
def grid():
    rows = [
        {"classifier": "mlp", "protocol": protocol, "fold": str(fold), "batch_size": size}
        | {"learning_rate": rate, "hidden": "128-64", "best_epoch": 10 * fold + 3}
        | {"dev_uar": dev(size, rate, fold, protocol), "selected": (size, rate) == (512, 1e-3)}
        for protocol in ("speaker", "random")
        for fold, size, rate in itertools.product(range(3), SIZES, RATES)
    ]
    plain = {"classifier": "logreg", "protocol": "speaker", "fold": "0", "dev_uar": 0.5}
    return pd.DataFrame([*rows, plain | {"selected": True}])


def panel_of(grid):
    stamps = {"random": "LEAKS SPEAKERS"}
    metric = CLASSIFICATION.headline
    return search_panel(grid, metric, "emodb", "EmoDB", ("speaker", "random"), stamps)


def test_points_are_averaged_and_selections_counted(grid):
    panel = panel_of(grid)
    assert list(panel.folded) == ["mlp: 6 points"]
    table = panel.folded["mlp: 6 points"]
    ends = ("UAR on dev", "Selected", "Best epoch")
    assert table.headings == (
        "Batch size", "Learning rate",
        *(f"{title}: {end}" for title in ("Unseen speakers", "Random split") for end in ends),
    )  # fmt: skip
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert rows["512", "0.001"][0].value == pytest.approx(dev(512, 1e-3, 1, "speaker"))
    assert rows["512", "0.001"][1:3] == (3, "13")
    assert rows["8", "0.005"][3].value == pytest.approx(dev(8, 5e-3, 1, "random"))
    assert rows["8", "0.005"][4] == 0
    assert table.stamps == ("Random split: LEAKS SPEAKERS.",)


def test_an_edge_of_the_grid_is_pointed_out(grid):
    told = "mlp: dev selects the largest batch size, 512, in 100 % of cases"
    assert told in panel_of(grid).note
    middle = grid.assign(selected=grid["batch_size"].eq(64) & grid["learning_rate"].eq(1e-3))
    assert "wider grid" not in panel_of(middle).note


def test_a_curve_has_a_line_for_each_value_of_the_next(grid):
    (figure,) = panel_of(grid).figures
    assert figure.name == "emodb-search-mlp"
    assert "0.001: 8 50.0, 64 60.0, 512 70.0" in figure.drawing.description
    assert "learning rate 0.005" in figure.drawing


def test_two_points_have_a_table_and_no_curve(folders):
    (section,) = find_sections(read_inputs([folders.results()]))
    panel = section.parts[0].search
    assert panel.figures == []
    (table,) = panel.folded.values()
    assert table.columns[0].name == "Learning rate"


def test_grids_of_further_parameters_are_shown(grid):
    texts = grid.dropna(subset="batch_size").assign(classifier="svm")
    texts["params"] = ["{'C': 1}", "{'C': 2}"] * (len(texts) // 2)
    panel = panel_of(texts.drop(columns=["batch_size", "learning_rate", "best_epoch"]))
    (table,) = panel.folded.values()
    assert table.headings[0] == "Parameters"
    assert len(table.rows) == 2
    assert not panel.figures


def test_a_head_without_a_choice_is_not_shown(grid):
    assert panel_of(grid[grid["classifier"] == "logreg"]) is None
    assert panel_of(grid.iloc[:0]) is None
