"""What annotators said about labels."""

import pandas as pd
import pytest

from tokser.errors import InputError
from tokser.experiments.doubtful_labels.annotators import annotator_shares

CLASSES = ("anger", "neutral", "sadness")


def table(**columns: list[object]) -> pd.DataFrame:
    index = pd.Index(["a", "b", "c"], name="id")
    return pd.DataFrame({"label": ["anger", "neutral", "sadness"]} | columns, index=index)


def test_shares_of_the_label_are_read_from_columns():
    told = table(label_anger=["3", "1", "0"], label_neutral=["1", "1", "0"], num_annotators="")
    found = annotator_shares(told, CLASSES, "m.csv")
    assert found.of_label.tolist()[:2] == [0.75, 0.5]
    assert found.of_label.isna()["c"]
    assert found.num_annotators.tolist() == [4, 2, 0]
    assert found.are_complete


def test_recognition_says_nothing_of_the_other_classes():
    found = annotator_shares(table(recognition_percent=[90.0, 60.0, None]), CLASSES, "m.csv")
    assert not found.are_complete
    assert found.of_label.tolist()[:2] == [0.9, 0.6]
    assert found.shares.loc["a"].tolist() == pytest.approx([0.9, 0.05, 0.05])
    assert found.of_label.isna()["c"]


def test_without_such_columns_there_are_no_annotators():
    assert annotator_shares(table(), CLASSES, "m.csv") is None
    assert annotator_shares(table(recognition_percent=[None] * 3), CLASSES, "m.csv") is None


def test_broken_shares_are_refused():
    with pytest.raises(InputError, match="sum to 1"):
        annotator_shares(
            table(label_anger=["0.5", "1", "1"], label_neutral=["0.1", "0", "0"]), CLASSES, "m.csv"
        )
