import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from tokser.config import ReportSettings
from tokser.report.inputs import read_inputs
from tokser.report.page import render

pytestmark = pytest.mark.slow

VOID = {"br", "col", "hr", "img", "input", "link", "meta", "wbr"}
LOADING = {"src", "srcset", "data", "poster", "background", "action", "xlink:href"}


class Outline(HTMLParser):
    """Notes tags with their attributes, and tags that were closed wrongly."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += data

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def build(results, runs=(), **settings) -> str:
    read = read_inputs(results, runs)
    return render(ReportSettings(results=tuple(results), runs=tuple(runs), **settings), read)


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    return parsed


@pytest.fixture(scope="module")
def page(make_folders) -> str:
    folders = make_folders()
    features = [*(f"whisper-base/layer-{i}" for i in range(3)), "demo/aligned", "wavlm/layer-1"]
    return build(
        [folders.results(features=features), folders.results("iemocap", dataset="iemocap")],
        [folders.run()],
        title="Frozen encoders",
        caution="Synthetic speech.",
    )


def plain(page: str) -> str:
    return " ".join(outline(page).text.split())


def test_every_tag_is_closed_where_it_should_be(page):
    parsed = outline(page)
    assert parsed.faults == []
    assert parsed.open == []


def test_the_page_needs_no_network(page):
    parsed = outline(page)
    assert parsed.all("link", "iframe", "object", "embed") == []
    assert parsed.all("script") == [{}]
    for tag, attributes in parsed.tags:
        assert not LOADING & set(attributes), (tag, attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\((?!#)|@import", page)


def test_every_figure_has_a_text_alternative(page):
    parsed = outline(page)
    ids = {attributes["id"] for _, attributes in parsed.tags if "id" in attributes}
    figures = parsed.all("svg")
    assert len(figures) == 6  # leakage and layers of two datasets, convergence, validation
    for figure in figures:
        assert figure["role"] == "img"
        assert set(figure["aria-labelledby"].split()) <= ids
    assert parsed.all("img") == []


def test_ids_are_unique_and_links_lead_somewhere(page):
    parsed = outline(page)
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in parsed.tags:
        for key in ("href", "aria-labelledby", "aria-describedby"):
            for name in (attributes.get(key) or "").replace("#", " ").split():
                assert name in ids


def test_headings_have_scopes_and_the_page_a_language(page):
    parsed = outline(page)
    assert all("scope" in attributes for attributes in parsed.all("th"))
    assert parsed.all("html") == [{"lang": "en"}]
    assert len(parsed.all("title")) > 1
    assert parsed.all("h1") == [{}]


def test_tables_scroll_in_groups_that_keys_reach(page):
    groups = [a for _, a in outline(page).tags if a.get("role") == "group"]
    assert len(groups) == len(outline(page).all("table", "caption")) / 2
    assert all(group["tabindex"] == "0" and group["aria-label"] for group in groups)


@pytest.mark.parametrize("name", ["<b>", "a&b/<script>x</script>", "'\"/layer-1", "{{ 7 * 7 }}"])
def test_names_are_escaped(folders, name):
    built = build(
        [folders.results(features=[name])], [folders.run("<i>")], title=name, caution=name
    )
    parsed = outline(built)
    assert parsed.all("b", "i") == []
    assert len(parsed.all("script")) == 1
    assert name in parsed.text
    assert parsed.faults == []


def test_control_characters_are_left_out(folders):
    names = ["\x1b[31mred", "over\x08written", "\x85", "evil\u202etxt"]
    page = build([folders.results(features=names)], [], title="\x1b[31mtitle")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", page)
    assert "overwritten" in page


def test_scores_are_percent_with_one_decimal(folders):
    folder = folders.results()
    text = plain(build([folder]))
    scores = read_inputs([folder]).experiments[0].scores
    for _, row in scores.iterrows():
        assert f"{100 * row['uar']:.1f}" in text
        assert f"{100 * row['accuracy']:.1f}" in text


def test_the_best_score_is_marked_in_words(folders):
    assert outline(build([folders.results()])).text.count("(best)") >= 6


def test_a_leaking_protocol_is_stamped_and_explained(page):
    text = plain(page)
    assert "Random split LEAKS SPEAKERS" in text
    assert "overstate the performance on new speakers" in text


def test_a_page_without_leakage_has_no_stamp(folders):
    text = plain(build([folders.results(protocols=["speaker"])]))
    assert "LEAKS" not in text
    assert "no speaker leak" in text


def test_a_caution_is_at_the_top(page, folders):
    assert plain(page).index("Synthetic speech.") < plain(page).index("Scores on the test sets")
    assert "Caution" not in plain(build([folders.results("other")]))


def test_published_scores_and_their_error_are_shown(page):
    text = plain(page)
    assert "98.57" in text
    assert "micro-F1" in text
    assert "multiples of 1/54:" in text
    assert "multiples of 1/554:" in text
    assert "repeats the EmoDB Whisper row" in text


def test_pretraining_has_its_baselines_and_chance(page):
    text = plain(page)
    for words in ("Mismatched speech", "Chance", "Contrastive loss", "untrained attention"):
        assert words in text
    assert "0.018" in text  # one in 5,700, in percent


def test_a_page_without_runs_has_no_section_on_runs(folders):
    assert "Pretraining" not in plain(build([folders.results()]))


def test_runs_of_the_same_name_are_shown_by_path(folders):
    runs = [folders.run("a/demo"), folders.run("b/demo")]
    text = plain(build([folders.results()], runs))
    assert str(runs[0]) in text
    assert str(runs[1]) in text


def test_the_audit_is_shown_in_numbers(page):
    text = plain(page)
    assert "10 speakers, 10 sentences" in text
    assert "Points per error" in text and "1.9" in text
    assert "03 test: disgust" in text


def test_evaluations_and_provenance_are_shown(page):
    text = plain(page)
    assert "tokser run again.yaml" in text
    assert "2.11.0" in text
    assert re.search(r"All\s*77", text)


def test_the_same_input_gives_the_same_page(folders):
    folder, run = folders.results(), folders.run()
    assert build([folder], [run]) == build([folder], [run])


def test_twenty_features_need_less_than_two_megabytes(folders):
    features = [f"wavlm-large/layer-{i}" for i in range(20)]
    assert len(build([folders.results(features=features)]).encode()) < 2_000_000


def test_intervals_and_paired_tests_are_shown(page):
    text = plain(page)
    assert "95 %: jackknife interval, leaving out one speaker (or session)" in text
    assert "10 of 10 pairs differ at 5 %" in text
    assert "Earlier other runs" in text


def test_dimensional_emotion_has_its_section(folders):
    parsed = outline(build([folders.results(), folders.regression()]))
    text = " ".join(parsed.text.split())
    assert parsed.faults == [] and parsed.open == []
    assert "IEMOCAP: dimensional emotion" in text
    scores = read_inputs([folders.root / "iemocap-dimensional"]).experiments[0].scores
    for row in scores.to_dict("records"):
        assert f"{row['ccc_low']:.2f} to {row['ccc_high']:.2f}" in text
    assert "tokser regress --dataset iemocap" in text
    assert "2 of 2 pairs differ" not in text and "1 of 1 pairs differ at 5 %" in text
    titles = [a["id"] for a in parsed.all("h2")]
    assert titles[:2] == ["section-1-title", "section-2-title"]


def test_dimensional_emotion_alone_makes_a_page(folders):
    text = plain(build([folders.regression()]))
    assert "CCC" in text and "UAR" not in text


def test_unknown_speakers_are_stamped(folders):
    folder = folders.results()
    audit = json.loads((folder / "audit.json").read_text())
    for protocol in audit:
        audit[protocol] |= {"leaks": [], "stamp": "SPEAKERS UNKNOWN", "unknown_speakers": 54}
    (folder / "audit.json").write_text(json.dumps(audit))
    for name in ("results", "summary"):
        table = pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
        table.assign(leaks="", stamp="SPEAKERS UNKNOWN").to_csv(folder / f"{name}.csv", index=False)
    text = plain(build([folder]))
    assert "Random split SPEAKERS UNKNOWN" in text
    assert "none known" in text
    for claim in ("no speaker leak", "No test speaker", "Speaker leakage", "LEAKS"):
        assert claim not in text, claim


def test_near_duplicates_are_listed_with_cosines(folders):
    folder = folders.results()
    path = folder / "audit.json"
    found = json.loads(path.read_text())
    found["speaker"] |= {
        "leaks": ["near-duplicates"],
        "stamp": "LEAKS RECORDINGS",
        "shared": {"near-duplicates": 1},
        "near_duplicates": [["03a01Fa", "16b10Wb", 0.9312]],
        "content": {"feature": "whisper-base/layer-3", "threshold": 0.85, "nearest_below": 0.749},
    }
    path.write_text(json.dumps(found))
    parsed = outline(build([folder]))
    assert parsed.faults == []
    text = " ".join(parsed.text.split())
    for part in (
        "03a01Fa 16b10Wb 0.931",
        "cosine of at least 0.85",
        "1 near-duplicates",
        "at most 0.75",
    ):
        assert part in text, part
