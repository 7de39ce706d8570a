import pandas as pd
import pytest

from tokser.errors import InputError
from tokser.experiments.transfer.common_classes import common_classes
from tokser.experiments.transfer.label_maps import LabelMap, read_label_map


def utterances(**corpora):
    rows = [
        {"id": f"{corpus}/{i}", "corpus": corpus, "label": label}
        for corpus, labels in corpora.items()
        for i, label in enumerate(labels)
    ]
    return pd.DataFrame(rows).set_index("id")


def test_what_is_left_out_is_counted_with_its_reason():
    table = utterances(a=["angry", "sad", "bored", "bored", ""], b=["anger", "sadness", "neutral"])
    kept, rows = common_classes(table, read_label_map("four-classes"))
    assert list(kept["label"]) == ["anger", "sadness", "anger", "sadness"]
    left = {(r["corpus"], r["label"]): (r["num_utterances"], r["left_out"]) for r in rows}
    assert left["a", "bored"] == (2, "no class of the map four classes")
    assert left["a", ""] == (1, "no label")
    assert left["b", "neutral"] == (1, "no neutral in a")
    assert left["a", "angry"] == (1, "")
    assert sum(count for count, _ in left.values()) == len(table)


def test_without_a_map_equal_names_are_one_class():
    kept, _ = common_classes(utterances(a=["x", "y", "z"], b=["y", "x"]), None)
    assert list(kept.index) == ["a/0", "a/1", "b/0", "b/1"]


@pytest.mark.parametrize("labels", [("u", "v"), ("x", "v"), ("", "")])
def test_corpora_without_two_common_classes_are_refused(labels):
    table = utterances(a=["x", "y"], b=list(labels))
    with pytest.raises(InputError, match="at least two classes that all corpora have") as error:
        common_classes(table, None)
    assert "a has x, y" in str(error.value)


def test_ratings_are_cut_into_bins():
    bins = {"low": (1, 2.5), "high": (2.5, 5)}
    own = {"b": {"column": "valence", "bins": bins}}
    labels = LabelMap(title="t", classes={"low": ("sad",), "high": ("joy",)}, corpora=own)
    table = utterances(a=["sad", "joy"], b=["", "", "", "", ""])
    table["valence"] = ["", "", 2.4, 2.5, 5.0, 5.1, ""]
    kept, rows = common_classes(table, labels)
    assert list(kept["label"]) == ["low", "high", "low", "high", "high"]
    reasons = {row["left_out"] for row in rows}
    assert reasons == {"", "in no bin of the map", "no label"}


def test_a_column_that_is_not_there_is_named():
    own = {"b": {"column": "valence", "bins": {"low": (1, 2), "high": (2, 3)}}}
    labels = LabelMap(title="t", classes={"low": ("x",), "high": ("y",)}, corpora=own)
    with pytest.raises(InputError, match="a column valence of numbers"):
        common_classes(utterances(a=["x", "y"], b=["x", "y"]), labels)
