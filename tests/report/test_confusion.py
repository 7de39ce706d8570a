import numpy as np
import pandas as pd
import pytest

from tokser.report.confusion import confusion_of, confusion_table
from tokser.report.inputs import read_inputs
from tokser.report.scores import Configuration
from tokser.report.table import Share

ROW = Configuration("f", "mlp", "0", "", "f")


def table(cells) -> pd.DataFrame:
    found = pd.DataFrame(cells, columns=["label", "prediction", "count"])
    return found.assign(features="f", protocol="speaker", classifier="mlp", setup="")


CELLS = table([("fear", "fear", 3), ("fear", "anger", 1), ("anger", "fear", 2)])


def test_counts_are_those_of_the_predictions(folders):
    (folder,) = read_inputs([folders.results()]).experiments
    made = folder.predictions
    row = folder.scores.iloc[0]
    key = Configuration(row["features"], row["classifier"], "0", "", "")
    found = confusion_of(folder.confusion, key, row["protocol"])
    own = made[(made["features"] == key.features) & (made["protocol"] == row["protocol"])]
    expected = pd.crosstab(own["label"], own["prediction"]).reindex(
        index=found.labels, columns=found.labels, fill_value=0
    )
    assert np.array_equal(found.counts, expected)
    assert np.diag(found.shares).mean() == pytest.approx(row["uar"])


def test_absent_cells_are_zero_and_labels_are_sorted():
    found = confusion_of(CELLS, ROW, "speaker")
    assert found.labels == ("anger", "fear")
    assert found.counts.tolist() == [[0, 2], [1, 3]]
    assert found.totals == [2, 4]


def test_other_configurations_are_left_out():
    others = [
        CELLS.assign(classifier="logreg"),
        CELLS.assign(features="g"),
        CELLS.assign(setup="x"),
    ]
    assert confusion_of(pd.concat([CELLS, *others]), ROW, "speaker").counts.sum() == 6


def test_a_configuration_without_counts_has_no_matrix():
    assert confusion_of(CELLS, ROW, "random") is None
    assert confusion_of(CELLS.iloc[:0], ROW, "speaker") is None


def test_a_label_without_utterances_has_shares_of_zero():
    found = confusion_of(table([("anger", "fear", 1)]), ROW, "speaker")
    assert found.totals == [1, 0]
    assert found.shares[1].tolist() == [0, 0]


def test_the_table_has_a_share_for_each_pair():
    found = confusion_table(confusion_of(CELLS, ROW, "speaker"), "t", "Confusion")
    assert found.headings == ("Label", "anger", "fear", "n")
    assert found.rows[1] == ("fear", Share(1, 0.25), Share(3, 0.75), 4)
