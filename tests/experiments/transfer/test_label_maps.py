from pathlib import Path

import pytest

from tokser.errors import MissingInputError, SettingsError
from tokser.experiments.transfer.label_maps import SHIPPED, read_label_map


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_maps_are_read(name):
    found = read_label_map(name)
    assert found.title
    assert len(found.names) == {"four-classes": 4, "six-classes": 6, "valence": 3}[name]
    assert "happy" in found.of("emodb").classes.get("happiness", ()) or name == "valence"


def test_a_corpus_may_have_its_own_labels_or_bins():
    found = read_label_map("valence")
    assert found.of("iemocap").bins["negative"] == (1, 2.5)
    assert found.of("emodb").classes == found.classes


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "title: x\nclasses:\n  a: [b]\n  c: [b]\n",
            r"line 4: label 'b' is in the classes a and c",
        ),
        ("title: x\nclasses:\n  a: [b]\n", r"line 1: at least two classes"),
        ("title: x\nclases:\n  a: [b]\n", r"line 2: unknown key 'clases' .*'classes'"),
        ("title: x\nclasses:\n  a: [b]\n  c: []\n", r"line 4: classes\.c"),
        (
            "title: x\nclasses: {a: [b], c: [d]}\ncorpora:\n  one: {column: valence}\n",
            r"line 4: either `classes`, or `column` and `bins`",
        ),
        (
            "title: x\ncorpora:\n  one:\n    column: v\n    bins:\n"
            "      low: [1, 3]\n      high: [2, 5]\n",
            r"line 7: bins low and high overlap",
        ),
        (
            "title: x\ncorpora:\n  one:\n    column: v\n    bins:\n"
            "      low: [3, 1]\n      high: [5, 6]\n",
            r"line 6: bin low is empty",
        ),
        ("title: [x\n", "expected YAML"),
    ],
)
def test_faults_are_named_by_line(tmp_path, text, fault):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=fault):
        read_label_map(str(path))


def test_the_map_of_the_documentation_is_one(tmp_path):
    page = Path(__file__).parents[3] / "docs" / "transfer.md"
    text = page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "map.yaml").write_text(text)
    found = read_label_map(str(tmp_path / "map.yaml"))
    assert found.names == ("aroused", "calm")
    assert found.of("msp-podcast").column == "arousal"


def test_a_map_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(MissingInputError, match="one of four-classes, six-classes, valence"):
        read_label_map(str(tmp_path / "none.yaml"))
