from collections import Counter

import pytest

from tokser.corpora.annotations import Annotation, count_annotations, read_annotations
from tokser.errors import InputError, ManifestError, MissingInputError


def said(*triples):
    return [Annotation(*one, f"line {i}") for i, one in enumerate(triples, start=2)]


def test_annotations_are_read_in_any_order_of_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Annotator;id;Label;remark\nA1;u1;joy;x\n A2 ;u1;sad;\n")
    assert [one[:3] for one in read_annotations(path)] == [
        ("u1", "A1", "joy"),
        ("u1", "A2", "sad"),
    ]


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("id,label\nu1,joy\n", "the columns id, label"),
        ("id,annotator,label\nu1,,joy\n,A,joy\n", "line 2: no annotator, line 3: no id"),
        ("id,annotator,label\nu1,A\n", "line 2: 2 cells under 3 columns"),
        ("id,annotator,label\n", "no line below the header"),
    ],
)
def test_lines_that_cannot_be_used_are_named(tmp_path, text, got):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        read_annotations(path)
    assert caught.value.got == got


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingInputError):
        read_annotations(tmp_path / "none.csv")


def test_counts_are_those_of_a_plain_count():
    rng = __import__("numpy").random.default_rng(0)
    triples = [(f"u{u}", f"A{a}", "xyz"[rng.integers(3)]) for u in range(20) for a in range(5)]
    counts = count_annotations(said(*triples), [f"u{u}" for u in range(21)], table="t")
    for name in counts.index:
        plain = Counter(label for utterance, _, label in triples if utterance == name)
        assert counts.loc[name].to_dict() == {label: plain[label] for label in "xyz"}


def test_an_annotator_counts_once():
    with pytest.raises(InputError, match=r"A twice about u \(line 2, line 4\)"):
        count_annotations(said(("u", "A", "x"), ("u", "B", "x"), ("u", "A", "y")), ["u"], table="t")


def test_rows_without_annotator_are_annotators_each():
    counts = count_annotations(said(("u", "", "x"), ("u", "", "x")), ["u"], table="t")
    assert counts.loc["u", "x"] == 2


def test_unknown_classes_are_named_with_what_to_do():
    with pytest.raises(InputError, match=r"'frustration' \(line 2\).*--rename-label") as caught:
        count_annotations(said(("u", "A", "frustration")), ["u"], table="t", known=["anger"])
    assert "anger" in caught.value.expected


@pytest.mark.parametrize(
    ("renamed", "columns"), [({"f": "anger"}, ["anger"]), ({"f": "f"}, ["anger", "f"])]
)
def test_classes_are_renamed_or_accepted(renamed, columns):
    both = said(("u", "A", "f"), ("u", "B", "anger"))
    counts = count_annotations(both, ["u"], table="t", renamed=renamed, known=["anger"])
    assert list(counts.columns) == columns


def test_classes_that_are_left_out_do_not_count():
    both = said(("u", "A", "f"), ("u", "B", "anger"))
    counts = count_annotations(both, ["u"], table="t", renamed={"f": ""}, known=["anger"])
    assert counts.loc["u"].to_dict() == {"anger": 1}


def test_annotations_of_other_utterances_are_counted(caplog):
    both = said(("u", "A", "x"), ("other", "A", "y"))
    with caplog.at_level("WARNING"):
        counts = count_annotations(both, ["u"], table="t")
    assert list(counts.columns) == ["x"]
    assert "1 annotations of 1 utterances that are not listed" in caplog.text
    with pytest.raises(InputError, match="those of other"):
        count_annotations(both[1:], ["u"], table="t")
