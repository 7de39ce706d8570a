"""The page to hear doubtful utterances, and to decide."""

from html.parser import HTMLParser
from pathlib import Path

from tests.report.doubtful import made_audit
from tokser.report.doubtful_page import doubtful_page
from tokser.report.embedded_audio import Recording

STRANGE = "</script><b>\"a\", 'b'"


def page_of(audit, recordings=None, said=None):
    ids = audit.doubtful["id"].tolist()
    return doubtful_page(
        audit,
        audit.doubtful,
        title="toy",
        root=Path("/corpora/toy"),
        files={name: f"wav/{name}.wav" for name in ids},
        said=said or {},
        recordings=recordings or {},
    )


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_each_utterance_has_evidence_and_three_decisions():
    elements = Elements(page_of(made_audit()))
    articles = elements.of("article")
    assert [one["data-id"] for one in articles] == [f"utt{i}" for i in range(5)]
    assert (articles[0]["data-label"], articles[0]["data-suggested"]) == ("anger", "neutral")
    assert [one["value"] for one in elements.of("input")[:3]] == ["keep", "change", "remove"]
    assert len(elements.of("select")) == 5


def test_the_suggested_class_is_selected_of_all_but_the_label():
    text = page_of(made_audit(1))
    assert "<option selected>neutral</option><option>sadness</option>" in text
    assert "<option>anger" not in text


def test_recordings_play_or_say_where_they_are():
    known = {"utt0": Recording("data:audio/ogg;base64,AA=="), "utt1": Recording("", "no such file")}
    text = page_of(made_audit(3), known, said={"utt0": "Eins & zwei"})
    assert [one["src"] for one in Elements(text).of("audio")] == ["data:audio/ogg;base64,AA=="]
    assert "Not to be played here: no such file." in text
    assert text.count("<wbr>utt1.wav") + text.count("<wbr>utt2.wav") == 2
    assert "<q>Eins &amp; zwei</q>" in text
    assert "1 of them can be played here" in text


def test_names_cannot_become_elements():
    text = page_of(made_audit(ids=[STRANGE, "b"]), said={STRANGE: STRANGE})
    elements = Elements(text)
    assert elements.of("b") == []
    assert elements.of("article")[0]["data-id"] == STRANGE
    assert text.count("</script>") == 1


def test_the_page_asks_for_nothing_from_elsewhere():
    text = page_of(made_audit())
    assert "Content-Security-Policy\" content=\"default-src 'none';" in text
    elements = Elements(text)
    for tag in ("link", "img", "iframe"):
        assert elements.of(tag) == []
    assert all("src" not in one for one in elements.of("script"))


def test_the_same_input_gives_the_same_page():
    assert page_of(made_audit()) == page_of(made_audit())
