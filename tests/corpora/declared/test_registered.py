import logging

import pytest

from tokser.corpora.declared.registered import registered_corpora
from tokser.corpora.registry import declaration_of, scan_corpus
from tokser.plugins import CORPORA

MOODS = """\
dataset: {name}
languages: de
layout: anna-froh-01.wav
files: {{include: "*.wav", pattern: '(?P<who>[a-z]+)-(?P<mood>[a-z]+)-\\d+'}}
columns: {{speaker: "{{who}}", label: {{value: "{{mood}}", values: {{froh: happiness}}}}}}
"""


@pytest.fixture
def other(registered):
    registered_corpora.cache_clear()
    yield lambda value: registered("other", CORPORA, {"others": value})
    registered_corpora.cache_clear()


def test_declarations_of_a_folder_are_known_corpora(other, write_wav, tmp_path):
    folder = other("other_corpora:FOLDER")
    (folder / "declared").mkdir()
    for name in ("moods", "tempers"):
        (folder / "declared" / f"{name}.yaml").write_text(MOODS.format(name=name))
    code = "import pathlib\nFOLDER = pathlib.Path(__file__).parent / 'declared'\n"
    (folder / "other_corpora.py").write_text(code)
    found = registered_corpora()
    assert set(found.declarations) == {"moods", "tempers"}
    assert found.packages["moods"] == "other 1.0"
    assert declaration_of("moods").all_classes == ("happiness",)
    write_wav(tmp_path / "audio" / "anna-froh-01.wav")
    assert list(scan_corpus("moods", tmp_path / "audio").table["label"]) == ["happiness"]


@pytest.mark.parametrize(
    ("code", "text", "got"),
    [
        ("import no_such_module", "", "no_such_module"),
        ("FILE = 3", "", "TypeError"),
        ("FILE = __file__ + '.yaml'", "", "got nothing"),
        ("FILE = __file__[:-3] + '.yaml'", "dataset: 3", "dataset"),
        ("FILE = __file__[:-3] + '.yaml'", MOODS.format(name="emodb"), "which tokser has"),
        ("FILE = []", "", "got none"),
    ],
)
def test_a_broken_one_is_left_out_with_a_warning(other, code, text, got, caplog):
    folder = other("broken_corpora:FILE")
    (folder / "broken_corpora.py").write_text(code)
    if text:
        (folder / "broken_corpora.yaml").write_text(text)
    with caplog.at_level(logging.WARNING, logger="tokser"):
        found = registered_corpora()
    assert not found.declarations
    assert got in str(found.faults["others (other 1.0)"])
    assert "corpora that other 1.0 registers are left out" in caplog.text
    assert declaration_of("emodb").dataset == "emodb"
