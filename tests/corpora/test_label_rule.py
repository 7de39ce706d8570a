from pathlib import Path

import pandas as pd
import pytest

from tokser.corpora.annotations import Annotation
from tokser.corpora.label_rule import LabelRule, label_utterances
from tokser.corpora.manifest import Manifest
from tokser.errors import SettingsError


def manifest(**columns):
    size = len(next(iter(columns.values())))
    index = pd.Index([f"u{i}" for i in range(size)], name="id")
    return Manifest("own", Path(), pd.DataFrame(columns, index=index, dtype=object), ())


def votes(*labels):
    return [
        Annotation(f"u{u}", f"A{a}", label, "line")
        for u, own in enumerate(labels)
        for a, label in enumerate(own)
    ]


def test_a_majority_is_more_than_half(caplog):
    given = manifest(label=["", "", "", ""])
    with caplog.at_level("WARNING"):
        found = label_utterances(
            given, LabelRule("majority"), votes("aab", "ab", "abc"), "t.csv"
        ).table
    assert found["label"].tolist() == ["a", "", "", ""]
    assert "2 of 4 utterances get no label, as no class has more than half" in caplog.text
    assert "1 utterances have no annotation: u3" in caplog.text
    assert found["label_a"].tolist() == ["0.6666666666666666", "0.5", "0.3333333333333333", ""]
    assert found["num_annotators"].tolist() == ["3", "2", "3", "0"]


@pytest.mark.parametrize(("least", "labels"), [(0.0, ["a", "", "a"]), (0.6, ["a", "", ""])])
def test_plurality_takes_the_most_frequent_class(least, labels):
    said = votes("aab", "ab", "aabcd")
    found = label_utterances(manifest(label=[""] * 3), LabelRule("plurality", least), said, "t")
    assert found.table["label"].tolist() == labels


def test_columns_of_counts_need_no_table_of_annotations():
    given = manifest(label=["x", "y"], label_a=["3", "1"], label_b=["1", "1"])
    found = label_utterances(given, LabelRule("majority"), None, "t").table
    assert found["label"].tolist() == ["a", ""]
    assert found[["label_a", "num_annotators"]].loc["u0"].tolist() == ["0.75", "4"]


def test_labels_as_written_stay_with_the_shares_beside_them():
    given = manifest(label=["a", "b"])
    found = label_utterances(given, LabelRule(), votes("bbb", "ab"), "t").table
    assert found["label"].tolist() == ["a", "b"]
    assert found["label_b"].tolist() == ["1.0", "0.5"]
    assert label_utterances(given, LabelRule(), None, "t") is given


def test_one_annotator_is_said_to_be_one(caplog):
    with caplog.at_level("WARNING"):
        label_utterances(manifest(label=["a", "b"]), LabelRule(), votes("a", "b"), "t")
    assert "no utterance has more than one annotator" in caplog.text


def test_agreement_is_a_share_and_goes_with_plurality():
    for rule, least in (("plurality", 1.5), ("majority", 0.5)):
        with pytest.raises(SettingsError, match="--min-agreement"):
            LabelRule(rule, least)
