"""Decisions about labels, and the manifest that they make."""

import csv
import io

import pytest

from tokser.corpora.relabel import Decision, read_decisions, relabelled
from tokser.errors import ManifestError, MissingInputError

MANIFEST = (
    "id,path,transcript,label,note\n"
    'a,a.wav,"Eins, zwei",anger,01\n'
    "b,b.wav,,neutral,\n"
    "c,c.wav,,sadness,x\n"
    "d,d.wav,,anger,\n"
)


def decisions(tmp_path, *lines: str, header: str = "id,label,decision,new_label"):
    path = tmp_path / "decisions.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def made(*found: Decision):
    return relabelled(MANIFEST, found, name="m.csv", decided="decisions.csv")


def test_decisions_are_read_in_any_order_of_columns(tmp_path):
    path = decisions(tmp_path, "change,neutral,a,anger", header="decision,new_label,id,label")
    assert read_decisions(path) == [Decision("a", "anger", "change", "neutral", "line 2")]


def test_labels_change_and_nothing_else_does():
    done = made(
        Decision("a", "anger", "change", "neutral", "line 2"),
        Decision("b", "neutral", "keep", "", "line 3"),
        Decision("c", "sadness", "remove", "", "line 4"),
    )
    assert (done.num_kept, done.num_changed, done.num_removed) == (1, 1, 1)
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(done.text))}
    assert [rows[name]["label"] for name in "abcd"] == ["neutral", "neutral", "", "anger"]
    assert [rows[name]["former_label"] for name in "abcd"] == ["anger", "", "sadness", ""]
    assert [rows[name]["decision"] for name in "abcd"] == ["change", "keep", "remove", ""]
    assert (rows["a"]["transcript"], rows["a"]["note"]) == ("Eins, zwei", "01")


def test_a_second_round_of_decisions_keeps_earlier_ones():
    first = made(Decision("a", "anger", "change", "neutral", "line 2"))
    again = [Decision("d", "anger", "keep", "", "line 2")]
    second = relabelled(first.text, again, name="m.csv", decided="decisions.csv")
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(second.text))}
    assert (rows["a"]["former_label"], rows["a"]["decision"]) == ("anger", "change")
    assert rows["d"]["decision"] == "keep"
    assert second.text.splitlines()[0].count("former_label") == 1


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("a,anger,maybe,", "line 2: decision 'maybe', which is none of keep, change, remove"),
        ("a,anger,change,", "line 2: change without new_label"),
        ("a,anger,keep,neutral", "line 2: keep with new_label 'neutral'"),
        ("a,anger,change,anger", "line 2: change of 'anger' to itself"),
        (",anger,keep,", "line 2: no id"),
        ("a,anger,keep", "line 2: 3 cells under 4 columns"),
        ("a,anger,keep,\na,anger,remove,", r"a twice \(line 2, line 3\)"),
        ("", "no line below the header"),
    ],
)
def test_a_malformed_decision_is_named(tmp_path, line, fault):
    with pytest.raises(ManifestError, match=fault):
        read_decisions(decisions(tmp_path, line))


def test_a_table_of_something_else_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="got the columns id, label"):
        read_decisions(decisions(tmp_path, header="id,label"))
    with pytest.raises(MissingInputError, match="no such file"):
        read_decisions(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("decision", "fault"),
    [
        (Decision("z", "anger", "keep", "", "line 2"), "line 2: z is not in it"),
        (Decision("a", "fear", "keep", "", "line 2"), "line 2: a is 'anger' there, not 'fear'"),
        (
            Decision("a", "anger", "change", "joy", "line 2"),
            "anger, neutral, sadness, got line 2: 'joy' is none of its labels",
        ),
    ],
)
def test_decisions_about_another_manifest_are_refused(decision, fault):
    with pytest.raises(ManifestError, match=fault):
        made(decision)


def test_a_manifest_without_labels_is_refused():
    with pytest.raises(ManifestError, match="no column label"):
        relabelled("id,path\na,a.wav\n", [], name="m.csv", decided="d.csv")
