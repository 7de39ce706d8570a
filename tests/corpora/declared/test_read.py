import pytest

from tokser.corpora.declared.read import read_declaration
from tokser.errors import MissingInputError, SettingsError

GOOD = """\
dataset: mine
languages: de
layout: anna/froh-01.wav
files:
  include: "**/*.wav"
  pattern: '(?P<speaker>\\w+)/(?P<mood>\\w+)-(?P<number>\\d+)'
tables:
  people:
    files: people.csv
    key: "{who}"
    match: "{speaker}"
columns:
  speaker: "{speaker}"
  sex: "{people.sex}"
  label: {value: "{mood}", values: {froh: happiness, no: neutral, 01: one}}
subsets:
  happy: {keep: {label: happiness}}
"""


def read(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return read_declaration(path)


def test_values_are_texts_as_they_are_written(tmp_path):
    declaration = read(tmp_path, GOOD)
    assert declaration.columns["label"].values == {
        "froh": "happiness",
        "no": "neutral",
        "01": "one",
    }
    assert declaration.all_classes == ("happiness", "neutral", "one")
    assert declaration.subset_names == ("all", "happy")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("languages: de", "langauges: de", "line 2: unknown key 'langauges'"),
        ("languages: de\n", "", "languages"),
        (
            "pattern:",
            "patern:",
            "line 6: unknown key 'files.patern' (nearest known key: 'pattern')",
        ),
        (r"(?P<number>\d+)", r"(?P<number>\d+", "line 6: no regular expression"),
        ("dataset: mine", "dataset: my corpus", "line 1: dataset = 'my corpus'"),
        ('"{speaker}"\n  sex', '"{spaeker}"\n  sex', "line 13: no field 'spaeker'; there are"),
        ("{people.sex}", "{poeple.sex}", "line 14: no table 'poeple'; there are people"),
        ('match: "{speaker}"', 'match: "{who}"', "line 11: no field 'who'"),
        ('    match: "{speaker}"\n', "", "line 8: `key` (of its rows) and `match`"),
        ("keep: {label", "keep: {lable", "line 17: no column 'lable'; there are"),
        ("  speaker:", "  num_samples: 3\n  speaker:", "'num_samples' is read from the record"),
        ('value: "{mood}", values', "values", "line 15: either `value` or `file` is needed"),
        ("languages: de", "languages: de\naudio: {sampling_rate_hz: fast}", "line 3: audio.samp"),
        ("languages: de", "languages: de\nlanguages: en", "line 3: key 'languages' twice"),
        (
            "    files: people",
            "    encoding: utf-99\n    files: people",
            "encoding 'utf-99' is unk",
        ),
        ("files:\n  include", "rows: {table: x, path: y}\nfiles:\n  include", "either `files` or"),
        ("languages: de", "languages: [de", "expected YAML in UTF-8"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, old, new, fault):
    assert old in GOOD
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert fault in str(caught.value)
    assert "Correct the named line" in str(caught.value)


def test_all_faults_are_named_at_once_in_order(tmp_path):
    text = GOOD.replace("{people.sex}", "{peple.sex}").replace('r: "{speaker}"\n', 'r: "{x}"\n')
    with pytest.raises(SettingsError, match=r"line 13: no field 'x'.*; line 14: no table 'peple'"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["", "- a\n", "mine\n"])
def test_what_has_no_keys_is_refused(tmp_path, text):
    with pytest.raises(SettingsError, match=r"expected keys such as dataset.*ravdess\.yaml"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        MissingInputError, match=r"none\.yaml: expected the declaration of a corpus"
    ):
        read_declaration(tmp_path / "none.yaml")
