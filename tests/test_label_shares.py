import numpy as np
import pandas as pd
import pytest

from tokser.errors import InputError
from tokser.label_shares import LabelShares, classes_with_shares, read_shares, winners


def table(**columns):
    names = [f"u{i}" for i in range(len(next(iter(columns.values()))))]
    return pd.DataFrame(columns, index=pd.Index(names, name="id"), dtype=object)


def test_whole_numbers_are_counts_of_annotators():
    found = read_shares(table(label_sad=["3", "0", ""], label_glad=["1", "2", ""]), "t")
    assert found.classes == ("glad", "sad")
    assert found.shares.loc["u0"].tolist() == [0.25, 0.75]
    assert found.num_annotators.tolist() == [4, 2, 0]
    assert found.is_annotated.tolist() == [True, True, False]


def test_shares_keep_the_number_of_annotators_that_is_given():
    given = table(label_a=["0.5", "0.33"], label_b=["0.5", "0.67"], num_annotators=["2", ""])
    found = read_shares(given, "t")
    assert found.shares.to_numpy().sum(axis=1) == pytest.approx(1)
    assert found.num_annotators.iloc[0] == 2 and np.isnan(found.num_annotators.iloc[1])


def test_what_is_written_is_read_as_it_was():
    counts = pd.DataFrame({"b": [1, 0, 2], "a": [2, 0, 1]}, index=["x", "y", "z"])
    first = LabelShares.of_counts(counts)
    again = read_shares(first.columns(), "t")
    pd.testing.assert_frame_equal(first.shares, again.shares)
    assert again.num_annotators.tolist() == [3, 0, 3]
    assert first.columns().loc["y"].tolist() == ["", "", "0"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"label_a": ["1"]}, "at least two classes"),
        ({"label_a": ["-1"], "label_b": ["2"]}, "label_a of u0: '-1'"),
        ({"label_a": ["0,5"], "label_b": ["0.5"]}, "Write decimals with a point."),
        ({"label_a": ["0.5"], "label_b": ["0.3"]}, "other sums: u0: 0.8"),
        ({"label_a": ["nan"], "label_b": ["1"]}, "not negative"),
        ({"label_a": ["inf"], "label_b": ["1"]}, "label_a of u0: 'inf'"),
    ],
)
def test_broken_shares_are_named(columns, said):
    with pytest.raises(InputError) as caught:
        read_shares(table(**columns), "t.csv")
    assert said in str(caught.value)


def test_only_a_single_first_place_wins():
    shares = pd.DataFrame({"a": [0.5, 0.6, 0.4, 0.0], "b": [0.5, 0.4, 0.35, 0.0]})
    assert winners(shares).tolist() == ["", "a", "a", ""]
    assert winners(shares, above=0.5).tolist() == ["", "a", "", ""]
    assert winners(shares, at_least=0.6).tolist() == ["", "a", "", ""]


def test_classes_are_told_by_the_names_of_columns():
    assert classes_with_shares(["label", "label_", "label_b", "label_a", "labels"]) == ["a", "b"]
