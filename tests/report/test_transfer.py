import pandas as pd

from tokser.experiments.results import LABELS, SHARED, TRANSFER
from tokser.report.shared import shared_table
from tokser.report.transfer import (
    OTHERS,
    find_matrices,
    labels_table,
    matrix_figure,
    matrix_table,
)


def row(train, test, kind, uar, **more):
    values = {
        "dataset": "a-b",
        "features": "x/layer-1",
        "protocol": f"{train} to {test}",
        "classifier": "logreg",
        "train": train,
        "test": test,
        "kind": kind,
        "num_train": 8,
        "num_dev": 2,
        "uar": uar,
        "uar_low": uar - 0.1,
        "uar_high": uar + 0.1,
        "uar_chance": 0.25,
        "accuracy": uar,
        "macro_f1": uar,
        "weighted_f1": uar,
        "num_candidates": 1,
        "n_test": 40,
        "num_folds": 1,
        "leaks": "",
        "num_seeds": 1,
    }
    return values | more


ROWS = [
    row("a", "b", "across", 0.5),
    row("b", "a", "across", 0.4, uar_low=None, uar_high=None, no_interval="speakers unknown"),
    row("b", "b", "within", 0.9),
    row("b c", "a", "others", 0.6),
]


def test_a_matrix_shows_training_down_and_test_across():
    (matrix,) = find_matrices(TRANSFER.frame(ROWS))
    table = matrix_table(matrix, "m", "A and B")
    assert [str(cells[0]) for cells in table.rows] == ["b", "a", OTHERS]
    assert [str(cell) for cell in table.rows[1]] == ["a", "50.0 [40.0, 60.0]", "None"]
    assert "Not scored: a within itself." in table.notes
    assert "a: no interval, speakers unknown." in table.notes


def test_what_dev_selected_goes_before_single_layers():
    best = [one | {"features": "best(x/layer-1..2)", "num_candidates": 2} for one in ROWS]
    (matrix,) = find_matrices(TRANSFER.frame([*ROWS, *best]))
    assert matrix.label.startswith("best(")


def test_the_figure_tells_its_numbers():
    (matrix,) = find_matrices(TRANSFER.frame(ROWS))
    figure = matrix_figure(matrix, "A and B")
    assert "a to b: 50.0 [40.0, 60.0] %" in figure.description
    assert "not scored" in figure


def test_labels_that_are_left_out_are_summed_up():
    rows = [
        {"corpus": "a", "label": "sad", "class": "sadness", "num_utterances": 3},
        {"corpus": "a", "label": "", "class": "", "num_utterances": 2, "left_out": "no label"},
    ]
    table = labels_table(LABELS.frame(rows), "l", "A")
    assert table.notes == ("Left out: 2 of 5 of a.",)
    assert table.rows[1][1] == "none"


def test_what_parts_share_names_the_worst_fold():
    shared = {
        "protocol": "emobox",
        "kind": "speakers",
        "first": "train",
        "second": "test",
        "num_folds": 5,
        "num_folds_sharing": 2,
        "num_shared": 3,
        "fold": "4",
        "num_first": 9,
        "num_second": 4,
        "num_utterances": 30,
        "num_unknown": 7,
        "examples": "x, y",
    }
    table = shared_table(SHARED.frame([shared]), "s", "Splits")
    assert table.rows[0][1:7] == ("train and test", "speakers", 3, 4, 30, "2 of 5, most in 4")
    assert "Speakers unknown of 7 utterances: nothing can be said of those." in table.notes
    assert isinstance(SHARED.frame([shared]), pd.DataFrame)
